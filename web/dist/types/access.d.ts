import { type Clock } from "./clock.js";
/** Gives an access token: a function of the page, or the URL of an endpoint that answers one. */
export type Auth = string | (() => string | Promise<string>);
export declare class Access {
    private readonly auth;
    private readonly clock;
    private token;
    private since;
    private lifetime;
    constructor(auth: Auth, clock: Clock);
    /** A token that is good for some seconds yet. */
    get(): Promise<string>;
    /** A new token, whatever there was. */
    renew(): Promise<string>;
    /** What the server said about the token in use, in seconds from now. */
    lasts(seconds: number): void;
    forget(): void;
    /** Whether to get the next one, some heartbeats early: hidden pages run no timer in time. */
    due(heartbeat: number): boolean;
    private left;
}
