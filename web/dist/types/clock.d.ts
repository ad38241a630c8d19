/** A point in time by both clocks of this machine, in seconds. */
export interface Instant {
    /** Never set, but may stand still while the machine sleeps. */
    readonly mono: number;
    /** Runs on while the machine sleeps, but may be set. */
    readonly wall: number;
}
export type Clock = () => Instant;
export declare const systemClock: Clock;
/**
 * Seconds between two instants by the clock that ran further. Good only for cutting down what one
 * allows oneself: it can count too much, never too little.
 */
export declare function elapsed(since: Instant, now: Instant): number;
/** Whether the two clocks ran apart by more than two seconds: the machine slept, or a clock was set. */
export declare function jumped(since: Instant, now: Instant): boolean;
