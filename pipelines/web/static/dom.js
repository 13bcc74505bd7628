// Small helpers for elements, and sentences for a screen reader.

export function make(tag, about = {}, ...inside) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(about)) {
    if (name === "on") for (const [event, act] of Object.entries(value)) element.addEventListener(event, act);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...inside.filter((one) => one != null && one !== false));
  return element;
}

export const find = (selector, within = document) => within.querySelector(selector);

export function say(sentence) {
  find("#said").textContent = sentence;
}

export function warn(sentence) {
  const place = find("#warning");
  place.textContent = sentence;
  place.hidden = !sentence;
}

export function clock(seconds) {
  const whole = Math.max(0, seconds);
  return `${Math.floor(whole / 60)}:${String(Math.floor(whole % 60)).padStart(2, "0")}`;
}

export function lasting(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))}\u00a0s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)}\u00a0min` : `${Number((seconds / 3600).toFixed(1))}\u00a0h`;
}
