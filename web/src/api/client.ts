/** Requests to the daemon that serves this page. Addresses are relative to it. */

import type { Axis, FoundLines, InputHealth, LogPage, Panels, RunEvent, RunTable } from "./types";

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

export const MOST_ROWS = 5000;

/** The list of runs; only these where `uids` are given. */
export function runTable(uids: readonly string[] | null, limit: number = MOST_ROWS): Promise<RunTable> {
  const parameters = new URLSearchParams({ limit: String(limit) });
  if (uids) for (const uid of [...uids, ""]) parameters.append("runs", uid);
  return get<RunTable>(`runs/table?${parameters}`);
}

const workload = (uid: string): string => `workloads/${encodeURIComponent(uid)}`;

export type LogPlace = { from: number } | { at_step: number } | { at_time: number } | null;

/** Lines of a run's log, the last ones where no place is given. */
export function logLines(uid: string, count: number, place: LogPlace): Promise<LogPage> {
  const parameters = new URLSearchParams({ count: String(count) });
  for (const [name, value] of Object.entries(place ?? {})) parameters.set(name, String(value));
  return get<LogPage>(`${workload(uid)}/logs/lines?${parameters}`);
}

export function searchLog(uid: string, text: string, regex: boolean, from: number, signal: AbortSignal): Promise<FoundLines> {
  const parameters = new URLSearchParams({ q: text, from: String(from), limit: "1000", regex: regex ? "1" : "0" });
  return get<FoundLines>(`${workload(uid)}/logs/search?${parameters}`, signal);
}

export async function eventsOf(uid: string): Promise<RunEvent[]> {
  return (await get<{ events: RunEvent[] }>(`${workload(uid)}/events`)).events;
}

/** How the inputs of a run are read, with up to `samples` kinds of lines of each that were not. */
export async function inputsOf(uid: string, samples: number): Promise<InputHealth[]> {
  const parameters = new URLSearchParams({ workload: uid, samples: String(samples) });
  return (await get<{ inputs: InputHealth[] }>(`inputs?${parameters}`)).inputs;
}

export interface PanelQuery {
  runs: string[];
  metrics: string[];
  x: Axis;
  bins: number;
  smooth: number;
  range: [number, number] | null;
}

export function panels(query: PanelQuery, signal?: AbortSignal): Promise<Panels> {
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
