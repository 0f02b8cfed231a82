/** A button that copies the address of this view, with the runs that are shown, so that others see the same. */

import { useSignal } from "@preact/signals";
import { chosenRuns, shownRuns } from "../state/page";
import { messages } from "./messages";

export function CopyLink() {
  const copied = useSignal(false);
  const copy = async (): Promise<void> => {
    chosenRuns.value ??= shownRuns.value.map((run) => run.uid);
    copied.value = await copyText(location.href);
  };
  return (
    <button onClick={() => void copy()} onBlur={() => (copied.value = false)} aria-live="polite">
      {copied.value ? messages().copied : messages().copyLink}
    </button>
  );
}

/** Browsers offer the clipboard to secure pages alone, and this one often comes from plain HTTP on a cluster. */
async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = document.createElement("textarea");
    field.value = text;
    document.body.append(field);
    field.select();
    const copied = document.execCommand("copy");
    field.remove();
    return copied;
  }
}
