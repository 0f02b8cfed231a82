/** A colour for each run: by its uid, so that it stays the same everywhere; the next free one where two collide. */

const DARK = matchMedia("(prefers-color-scheme: dark)");

/** Ten hues that differ for colour-blind eyes too, one lightness for each theme. */
const HUES: readonly [light: string, dark: string][] = [
  ["#1f66c1", "#6aa9f4"],
  ["#c2530a", "#f59a5b"],
  ["#1c7f4f", "#5ecb96"],
  ["#b3275f", "#f2789f"],
  ["#6a4fc0", "#a996f2"],
  ["#0f7c8c", "#58c6d6"],
  ["#8a6a00", "#d9b23c"],
  ["#9a3ca8", "#dd8fea"],
  ["#59636f", "#a7b3c1"],
  ["#a03c2c", "#ef8c7b"],
];

function hash(text: string): number {
  let value = 2166136261;
  for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 16777619);
  return value >>> 0;
}

/** The colours of these runs, by uid, in the order given. */
export function colours(uids: readonly string[]): Map<string, string> {
  const taken = new Set<number>();
  const result = new Map<string, string>();
  for (const uid of uids) {
    let index = hash(uid) % HUES.length;
    if (taken.size < HUES.length) while (taken.has(index)) index = (index + 1) % HUES.length;
    taken.add(index);
    result.set(uid, HUES[index]![DARK.matches ? 1 : 0]);
  }
  return result;
}

export function onThemeChange(listener: () => void): void {
  DARK.addEventListener("change", listener);
}
