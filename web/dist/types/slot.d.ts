export interface Credentials {
    readonly nonce: string;
    readonly resume?: string;
}
export declare class Slot {
    private readonly key;
    private stored;
    private free;
    private channel;
    private constructor();
    /** Finds this tab's own session, or makes room for a new one. */
    static claim(base: string): Promise<Slot>;
    /** Whether the session is still this tab's. Where it may be another's, it is given up here. */
    still(): Promise<boolean>;
    /** What the next hello proves itself with. It is stored already, so that a repeat is the same. */
    get credentials(): Credentials;
    /** Keeps the next resume token, with a new nonce, in one write. */
    welcomed(resume: string): void;
    /** Forgets the session: the next hello makes a new one. */
    forget(): void;
    /** The session goes on elsewhere, or not at all: neither its name nor its credentials are this tab's any more. */
    discard(): void;
    /** Lets the next document of this tab have the slot. */
    release(): void;
    private read;
    private write;
    private hold;
    /**
     * Asks the other tabs whether one of them has the slot. Of several that ask at the same time the one with the lowest
     * mark has it; `rank`, its first character, puts those that had it before in front of those that start.
     */
    private ask;
    /** Hears what other tabs ask about the slot, and tells those that `refuses` says must not have it. */
    private listen;
}
/** 128 random bits in base64url without padding. */
export declare function random(): string;
