/** Requests to the daemon that serves this page. Addresses are relative to it. */

import type { Axis, Panels, RunTable } from "./types";

const BASE = "api/v1";
const TOKEN_KEY = "lensd-token";

/** An answer that is not a success: the HTTP status (0: no answer at all) and one sentence. */
export class RequestError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

let token = remembered();

function remembered(): string {
  try {
    return sessionStorage.getItem(TOKEN_KEY) ?? "";
  } catch {
    return ""; // a browser that blocks storage
  }
}

export function setToken(value: string): void {
  token = value;
  try {
    sessionStorage.setItem(TOKEN_KEY, value);
  } catch {
    // It holds until the page is left.
  }
}

let inFlight = 0;
export const requestsInFlight = (): number => inFlight;

async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  inFlight++;
  try {
    const headers: Record<string, string> = token ? { Authorization: `Bearer ${token}` } : {};
    const response = await fetch(`${BASE}/${path}`, signal ? { headers, signal } : { headers });
    if (!response.ok) {
      throw new RequestError(response.status, await reason(response));
    }
    return (await response.json()) as T;
  } catch (error) {
    if (error instanceof TypeError) {
      throw new RequestError(0, "the daemon does not answer");
    }
    throw error;
  } finally {
    inFlight--;
  }
}

async function reason(response: Response): Promise<string> {
  try {
    const body = (await response.json()) as { message?: string; detail?: string };
    return body.message ?? body.detail ?? response.statusText;
  } catch {
    return response.statusText;
  }
}

export function runTable(): Promise<RunTable> {
  return get<RunTable>("runs/table");
}

export interface PanelQuery {
  runs: string[];
  metrics: string[];
  x: Axis;
  bins: number;
  smooth: number;
  range: [number, number] | null;
}

export function panels(query: PanelQuery, signal: AbortSignal): Promise<Panels> {
  const parameters = new URLSearchParams({ x: query.x, bins: String(query.bins) });
  // A parameter that is repeated is taken whole: names may hold commas. Hence the empty ones.
  for (const run of [...query.runs, ""]) parameters.append("runs", run);
  for (const metric of [...query.metrics, ""]) parameters.append("metrics", metric);
  if (query.smooth > 0) parameters.set("smooth", String(query.smooth));
  if (query.range) {
    parameters.set("lo", String(query.range[0]));
    parameters.set("hi", String(query.range[1]));
  }
  return get<Panels>(`panels?${parameters}`, signal);
}

/** A WebSocket address below this page's own; browsers take the token only as a parameter there. */
export function socketAddress(path: string, parameters: URLSearchParams = new URLSearchParams()): string {
  const address = new URL(path, document.baseURI);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  address.hash = "";
  if (token) parameters.set("token", token);
  address.search = parameters.toString();
  return address.href;
}
