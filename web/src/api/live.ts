/** One live socket a tab: says when runs have changed. It reconnects by itself, and counts how long it is away. */

import { signal } from "@preact/signals";
import { socketAddress } from "./client";
import type { Change } from "./types";

/** When the connection was lost (ms since the epoch); null while it holds. */
export const lostAt = signal<number | null>(null);

const RETRY_MS = [500, 1000, 2000, 5000];

export function follow(changed: (change: Change) => void): void {
  let attempts = 0;
  const connect = (): void => {
    const socket = new WebSocket(socketAddress("api/v1/live"));
    socket.onopen = () => {
      attempts = 0;
      lostAt.value = null;
    };
    socket.onmessage = (message: MessageEvent<string>) => changed(JSON.parse(message.data) as Change);
    socket.onclose = () => {
      lostAt.value ??= Date.now();
      setTimeout(connect, RETRY_MS[Math.min(attempts++, RETRY_MS.length - 1)]);
    };
  };
  connect();
}
