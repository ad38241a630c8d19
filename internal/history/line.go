// Package history is what real clients saw of a real server: how it is written down, and the judgement whether it could
// have happened if every promise was kept. It knows the protocol and the promises, and nothing of the code that is tried.
package history

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
)

// Line is one thing that was written down. Which members it has depends on its Kind. All processes of a run are on one
// machine, so that its monotonic clock is one for all.
type Line struct {
	Kind Kind  `json:"k"`
	T    int64 `json:"t"` // nanoseconds of the machine's monotonic clock

	Name     string `json:"n,omitempty"` // of an operation, a fault, what a server did
	Op       int64  `json:"op,omitempty"`
	Client   string `json:"c,omitempty"`
	User     string `json:"u,omitempty"`
	Session  string `json:"s,omitempty"`
	Conn     int64  `json:"cn,omitempty"` // of the client, unique in the run
	Resource string `json:"r,omitempty"`
	Fence    int64  `json:"f,omitempty"`
	Version  string `json:"v,omitempty"`
	Code     string `json:"code,omitempty"` // of an answer: ok, an error code, or lost
	Wait     bool   `json:"wait,omitempty"`
	Move     bool   `json:"move,omitempty"`
	Resumed  bool   `json:"resumed,omitempty"`
	Port     int    `json:"port,omitempty"` // the client's end of a connection
	Snap     *Snap  `json:"snap,omitempty"`
	Snaps    []Snap `json:"snaps,omitempty"`
	Sent     int64  `json:"sent,omitempty"`  // when the pong was sent that the server acknowledges
	Until    int64  `json:"until,omitempty"` // how long the client may believe; how long a fault or a stall lasted
	Locks    []Lock `json:"locks,omitempty"`

	Base   int64   `json:"base,omitempty"` // of a save: the version it was made from
	New    int64   `json:"new,omitempty"`  // of a save: the version it made; of a load: the version it gave
	Rogue  bool    `json:"rogue,omitempty"`
	Wall   int64   `json:"wall,omitempty"` // microseconds of the wall clock at T
	Change *Change `json:"change,omitempty"`
	Seed   uint64  `json:"seed,omitempty"`
	TTL    int64   `json:"ttl,omitempty"` // nanoseconds
	Text   string  `json:"text,omitempty"`
}

// Kind says what a Line is.
type Kind string

// The kinds.
const (
	Begin  Kind = "begin"  // Seed, TTL: the run begins
	Call   Kind = "call"   // a client sends a request; its Return, if any, has the same Op
	Return Kind = "return" // it has the answer, or knows that none will come
	Push   Kind = "push"   // it was told something
	Heard  Kind = "heard"  // the server acknowledges a pong
	Hold   Kind = "hold"   // the client believes that it holds, until the Until of what it heard last
	Unhold Kind = "unhold" // it does not any more
	Closed Kind = "closed" // its connection has ended
	Dead   Kind = "dead"   // the client is gone, and forgets its session
	App    Kind = "app"    // the guarded application: Name is load or save, Code ok or refused
	Fault  Kind = "fault"  // Name, Text (target), from T to Until
	Server Kind = "server" // Name: spawn, ready, term, exit, stop, cont
	Port   Kind = "port"   // T: the last byte of this connection that reached the server
	Stall  Kind = "stall"  // the machine did not run us from T to Until
	Clock  Kind = "clock"  // T and Wall are one moment
	Entry  Kind = "entry"  // Change: an entry of the server's own history
	Calm   Kind = "calm"   // no more faults from now on
	Stuck  Kind = "stuck"  // after all was calm, a resource could not be had
)

// Snap is what a client was told about a resource.
type Snap struct {
	Resource string `json:"r"`
	Rev      int64  `json:"rev"`
	State    string `json:"st"`
	Holder   string `json:"h,omitempty"` // user
	You      bool   `json:"you,omitempty"`
	Waiting  int    `json:"w,omitempty"`
	Version  string `json:"v,omitempty"`
	Mine     string `json:"m,omitempty"`
	Fence    int64  `json:"f,omitempty"` // of Mine
	Position int    `json:"p,omitempty"`
	Ended    int64  `json:"e,omitempty"` // fence
	Reason   string `json:"er,omitempty"`
}

// Lock is a lock token: it proves a fence until Exp.
type Lock struct {
	Resource string `json:"r"`
	Fence    int64  `json:"f"`
	Exp      int64  `json:"exp"` // Unix seconds
}

// Change is an entry of the server's history.
type Change struct {
	Rev     int64 `json:"rev"`
	At      int64 `json:"at"` // Unix microseconds, of the wall clock
	Ended   *Side `json:"ended,omitempty"`
	Granted *Side `json:"granted,omitempty"`
}

// Side is a holding that ended or began.
type Side struct {
	Session string `json:"s"`
	User    string `json:"u"`
	Fence   int64  `json:"f"`
	Reason  string `json:"why,omitempty"`
	Over    int64  `json:"over,omitempty"` // Unix microseconds
}

// Read reads the lines that were written to r, one JSON object each. A last line that was cut short is left out.
func Read(r io.Reader) ([]Line, error) {
	var lines []Line
	in := bufio.NewScanner(r)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var l Line
		if err := json.Unmarshal(in.Bytes(), &l); err != nil {
			if !in.Scan() {
				return lines, nil
			}
			return nil, fmt.Errorf("history: line %d: %w", len(lines)+1, err)
		}
		lines = append(lines, l)
	}
	return lines, in.Err()
}
