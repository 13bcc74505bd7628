// The page's names of the command line's options, and its sentences with them.

const NAMES = {
  background: "Background",
  photo_person: "Person in the photo",
  person: "Person in the clip",
  upright: "Stand upright",
  view: "View from, in degrees",
  orbit: "Camera goes round, degrees per second",
  freeze: "Freeze at second",
  sweep: "Degrees round the frozen person",
  sweep_seconds: "Seconds of the freeze",
  frame: "Picture’s window",
  scale: "Size of the person",
  camera: "Place of the person",
  azimuth: "Pictures from these degrees instead",
  elevation: "Camera looks down, in degrees",
  quality: "Accuracy",
  seconds: "Seconds",
  turns: "Turns",
  parts: "Clothes to take",
  size: "Size, in pixels",
  fov: "Field of view",
  face: "Faces of turned heads",
};

export function labelOf(name) {
  const key = name.replaceAll("-", "_");
  if (NAMES[key]) return NAMES[key];
  const words = key.replaceAll("_", " ");
  return words[0].toUpperCase() + words.slice(1);
}

// Advice names options, which the page has under names of its own, and may begin with the name of a file.
export function plainly(text) {
  const rest = text
    .replace(/^options: Invalid value "[^"]*" for (--[a-z-]+)\. Must/, "$1 must")
    .replace(/^[^:]{1,130}\.[a-z0-9]{2,4}: /i, "")
    .replace(/--background driving/g, "the clip as background");
  const named = rest.replace(/--([a-z-]+)( N\|left\|right\|largest(, N counted from the left[^;]*)?)?/g, (_, name) => `“${labelOf(name)}”`);
  return sentence(named);
}

export function sentence(text) {
  return text ? text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".") : "";
}
