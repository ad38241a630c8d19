export interface Credentials {
    readonly nonce: string;
    readonly resume?: string;
}
export declare class Slot {
    private readonly key;
    private stored;
    private free;
    private constructor();
    /** Finds this tab's own session, or makes room for a new one. */
    static claim(base: string): Promise<Slot>;
    /** What the next hello proves itself with. It is stored already, so that a repeat is the same. */
    get credentials(): Credentials;
    /** Keeps the next resume token, with a new nonce, in one write. */
    welcomed(resume: string): void;
    /** Forgets the session: the next hello makes a new one. */
    forget(): void;
    /** Lets the next document of this tab have the slot. */
    release(): void;
    private read;
    private write;
    private hold;
    /** Without Web Locks, which insecure pages do not have: ask the other tabs. One that is frozen cannot answer. */
    private holdByAsking;
}
/** 128 random bits in base64url without padding. */
export declare function random(): string;
