import { type Instant } from "./clock.js";
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
/** Belief after a welcome, which vouches for the hello sent at that moment. */
export declare function begin(helloSent: Instant, ttl: number, margin: number): Belief;
/** Notes that a pong is being sent. */
export declare function ponged(belief: Belief, ping: number, at: Instant): Belief;
/** Takes the acknowledgement of a pong. It comes too late if belief has lapsed by now. */
export declare function acknowledged(belief: Belief, ack: number, now: Instant): Belief;
/** Marks belief that has run out. */
export declare function check(belief: Belief, now: Instant): Belief;
/** Seconds of belief left; 0 or less when there is none. */
export declare function left(belief: Belief, now: Instant): number;
export {};
