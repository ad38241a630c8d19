/** Changes title and icon while the page is hidden; does nothing on a page that is seen. */
export declare function callBack(text: string): void;
