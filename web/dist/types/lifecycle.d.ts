interface Living {
    leave(): void;
    returned(suspect: boolean): void;
}
export declare function followLifecycle(page: Living): void;
export {};
