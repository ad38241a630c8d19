// Package wire is the editlock protocol, version 1, as Go types: the messages, the codes, and the signed tokens.
// docs/spec.md is the authority; the golden vectors in testdata are read by every implementation.
//
// A server decodes with DecodeRequest and answers with Encode; a client does it with DecodeReply and
// Encode. Nothing here does I/O, and no function keeps what it was given. Unknown members of a message
// are ignored, as the protocol demands of both sides.
package wire

import "time"

// Subprotocol is what both sides name in Sec-WebSocket-Protocol.
const Subprotocol = "editlock.v1"

// Header carries the lock token in a save.
const Header = "Lock-Token"

// Field is the field of a form in which the browser client sends it.
const Field = "lock_token"

// Limits of the protocol.
const (
	MaxMessage = 16 << 10 // bytes of a message from a client
	MaxBye     = 4 << 10  // bytes of the body of a bye
	MaxToken   = 8 << 10  // bytes of an access token
	MaxDepth   = 8        // of nested objects and arrays, the message itself included
	MaxVersion = 200      // bytes of a content version
	MaxPrefix  = 1000     // snapshots in the answer to a watch of a prefix
	MaxFence   = 1<<53 - 1
	MaxID      = 1<<31 - 1
)

// Seconds is how durations are written: a number of seconds that may have a fraction.
type Seconds float64

// In turns a duration into Seconds, to the millisecond, never below zero.
func In(d time.Duration) Seconds {
	return Seconds(max(0, d.Round(time.Millisecond).Milliseconds())) / 1000
}

// Duration is s as Go counts it.
func (s Seconds) Duration() time.Duration {
	return time.Duration(float64(s) * float64(time.Second))
}
