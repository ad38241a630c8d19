/** A point in time by both clocks of this machine, in seconds. */
export interface Instant {
  /** Never set, but may stand still while the machine sleeps. */
  readonly mono: number;
  /** Runs on while the machine sleeps, but may be set. */
  readonly wall: number;
}

export type Clock = () => Instant;

export const systemClock: Clock = () => ({ mono: performance.now() / 1000, wall: Date.now() / 1000 });

/**
 * Seconds between two instants by the clock that ran further. Good only for cutting down what one
 * allows oneself: it can count too much, never too little.
 */
export function elapsed(since: Instant, now: Instant): number {
  return Math.max(now.mono - since.mono, now.wall - since.wall);
}

/** Whether the two clocks ran apart by more than two seconds: the machine slept, or a clock was set. */
export function jumped(since: Instant, now: Instant): boolean {
  return Math.abs(now.wall - since.wall - (now.mono - since.mono)) > 2;
}
