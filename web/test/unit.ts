import { run, type Result } from "./harness.js";
import "./belief_test.js";
import "./lock_test.js";
import "./messages_test.js";
import "./notice_test.js";
import "./page_test.js";
import "./protocol_test.js";
import "./ways_test.js";

declare global {
  interface Window {
    results: Promise<Result[]>;
  }
}

window.results = run();
