export function openMirror() {}
