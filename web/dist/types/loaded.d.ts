/** The fence with which this tab last loaded the resource; 0 if it did not. */
export declare function loadedWith(resource: string): number;
/** Notes such a load; with 0, that the holding is over. */
export declare function noteLoaded(resource: string, fence: number): void;
