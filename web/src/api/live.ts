/** One live socket a tab: says when runs have changed. It reconnects by itself, and counts how long it is away. */

import { signal } from "@preact/signals";
import { socketAddress } from "./client";
import type { Change } from "./types";

/** When the connection was lost (ms since the epoch); null while it holds. */
export const lostAt = signal<number | null>(null);

const RETRY_MS = [500, 1000, 2000, 5000];

/** `changed` is told of each change; `again` says that it is the first one after the connection was lost. */
export function follow(changed: (change: Change, again: boolean) => void): void {
  let attempts = 0;
  let again = false;
  const connect = (): void => {
    const socket = new WebSocket(socketAddress("api/v1/live"));
    socket.onopen = () => {
      attempts = 0;
      lostAt.value = null;
    };
    socket.onmessage = (message: MessageEvent<string>) => {
      changed(JSON.parse(message.data) as Change, again);
      again = false;
    };
    socket.onclose = () => {
      again = true;
      lostAt.value ??= Date.now();
      setTimeout(connect, RETRY_MS[Math.min(attempts++, RETRY_MS.length - 1)]);
    };
  };
  connect();
}
