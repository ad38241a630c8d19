// What a client may believe about its own locks, and for how long. Pure: the time is an argument.
import { elapsed, type Instant } from "./clock.js";

interface Sent {
  readonly ping: number;
  readonly at: Instant;
}

/**
 * Belief of one connection. It is counted from the moment of *sending* what the server has
 * acknowledged, so that a slow answer can only shorten it.
 */
export interface Belief {
  readonly from: Instant;
  /** Seconds that it lasts: the session's TTL less the margin. */
  readonly span: number;
  readonly unacknowledged: readonly Sent[];
  /** Once it has lapsed, nothing on this connection brings it back. */
  readonly lapsed: boolean;
}

const kept = 32;

/** Belief after a welcome, which vouches for the hello sent at that moment. */
export function begin(helloSent: Instant, ttl: number, margin: number): Belief {
  return { from: helloSent, span: ttl - margin, unacknowledged: [], lapsed: false };
}

/** Notes that a pong is being sent. */
export function ponged(belief: Belief, ping: number, at: Instant): Belief {
  return { ...belief, unacknowledged: [...belief.unacknowledged, { ping, at }].slice(-kept) };
}

/** Takes the acknowledgement of a pong. It comes too late if belief has lapsed by now. */
export function acknowledged(belief: Belief, ack: number, now: Instant): Belief {
  const checked = check(belief, now);
  const pong = checked.unacknowledged.find((sent) => sent.ping === ack);
  if (!pong) return checked;
  const unacknowledged = checked.unacknowledged.filter((sent) => sent.ping > ack);
  return { ...checked, from: pong.at, unacknowledged };
}

/** Marks belief that has run out. */
export function check(belief: Belief, now: Instant): Belief {
  return belief.lapsed || left(belief, now) > 0 ? belief : { ...belief, lapsed: true };
}

/** Seconds of belief left; 0 or less when there is none. */
export function left(belief: Belief, now: Instant): number {
  return belief.lapsed ? 0 : belief.span - elapsed(belief.from, now);
}
