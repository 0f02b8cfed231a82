/** Terminal colours of a log line as spans. Text goes in by `textContent` alone: log lines are hostile. */

export interface Span {
  text: string;
  /** SGR numbers 30 to 37 and 90 to 97 as 0 to 15; null for the usual colour. */
  colour: number | null;
  bold: boolean;
}

const ESCAPE = /\u001b\[([0-9;]*)m|\u001b\[[0-9;?]*[A-Za-z]|[\u0000-\u0008\u000b-\u001f\u007f]/g;

export function spans(line: string): Span[] {
  const result: Span[] = [];
  let colour: number | null = null;
  let bold = false;
  let at = 0;
  const push = (end: number): void => {
    if (end > at) result.push({ text: line.slice(at, end), colour, bold });
  };
  for (const match of line.matchAll(ESCAPE)) {
    push(match.index);
    at = match.index + match[0].length;
    if (match[1] === undefined) continue;
    for (const code of match[1].split(";").map(Number)) {
      if (code === 0) [colour, bold] = [null, false];
      else if (code === 1) bold = true;
      else if (code === 39) colour = null;
      else if (code >= 30 && code <= 37) colour = code - 30;
      else if (code >= 90 && code <= 97) colour = code - 82;
    }
  }
  push(line.length);
  return result;
}
