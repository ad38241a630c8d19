import { type Clock } from "./clock.js";
import { EditlockError } from "./link.js";
/** Gives an access token: a function of the page, or the URL of an endpoint that answers one. */
export type Auth = string | (() => string | Promise<string>);
export declare class Access {
    private readonly auth;
    private readonly clock;
    private token;
    private since;
    private lifetime;
    /** A token was accepted: one that is refused from now on is somebody's who was logged in. */
    private good;
    constructor(auth: Auth, clock: Clock);
    /** A token that is good for some seconds yet. */
    get(): Promise<string>;
    /** A new token, whatever there was. Rejects with `unauthenticated` or `token_unavailable`. */
    renew(): Promise<string>;
    /** The server has taken the token in use. */
    accepted(seconds: number): void;
    /** Says whose fault it is that the server refuses the token: nobody's log-in, if it has never taken one. */
    refused(error: EditlockError): EditlockError;
    private lasts;
    forget(): void;
    /** Whether to get the next one, some heartbeats early: hidden pages run no timer in time. */
    due(heartbeat: number): boolean;
    private left;
}
