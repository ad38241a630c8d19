// Package lease holds all the rules of editlock, pure: who holds a resource, who waits, what a late
// message may do, when a holding ends and who is next.
//
// One function decides: [Rules.Step] takes the state of a resource, an event and a time, and returns
// the new state and what has changed. It does no I/O, starts no goroutine, reads no clock and draws no
// random number, so the same rules hold for every store, every scenario script and every simulation.
// All else in editlock carries events to Step and carries its results to a store, durably, before
// anybody hears of them.
//
// # What the rules rely on
//
// The caller applies a state by compare-and-swap on the revision that it was read at, together with
// the [Change], in one group, all or nothing. The revision that the store gives to that swap is the
// fence of the grant that it makes ([State.At]); revisions of a store rise and never repeat. A step
// therefore makes at most one grant.
//
// # Whose time
//
// Stored times are wall clock, and for people. Nothing is decided by comparing a stored time with a
// clock, save the deletion of a record that has long been free. What must wait (the confirmation of
// a grant, the pause after an expiry, the time to take a lapsed lock back) waits from the moment at
// which this process first saw the revision that began it: later than the true beginning, never
// sooner. Whether a session's time is over is for the caller to know, by the rules in liveness.go.
//
// The whole argument for safety is in docs/lease.md.
package lease
