package lease

import (
	"slices"
	"time"
)

// Clocks is a moment by both clocks of one machine, each counted from a beginning of its own. Only differences mean
// anything.
type Clocks struct {
	Mono time.Duration // never set, but may stand still while the machine sleeps
	Wall time.Duration // runs on while the machine sleeps, but may be set
}

// Since returns the time from an earlier moment by the clock that ran further. It can count too much, never too
// little, as long as one of the two runs: so it is good only for cutting down what one allows oneself.
func (c Clocks) Since(earlier Clocks) time.Duration {
	if mutant == "one-clock" {
		return c.Mono - earlier.Mono
	}
	return max(c.Mono-earlier.Mono, c.Wall-earlier.Wall)
}

// Belief is how long a client may believe in what it holds, by what came over one connection. It is counted from the
// moment of *sending* what the server has acknowledged, so that a slow answer can only shorten it. Its methods are pure:
// those that change it return what it is from then on. The zero Belief has lapsed.
type Belief struct {
	from    Clocks
	span    time.Duration
	unacked []sentPong // in the order of sending, at most maxUnacked
	begun   bool
	lapsed  bool
}

type sentPong struct {
	ping int64
	at   Clocks
}

// maxUnacked bounds what is kept for a server that acknowledges nothing. Belief has lapsed long before.
const maxUnacked = 32

// Believe begins a belief: the server has answered the hello, sent at helloSent, by a welcome with this TTL and margin.
func Believe(helloSent Clocks, ttl, margin time.Duration) Belief {
	return Belief{from: helloSent, span: ttl - margin, begun: true}
}

// Ponged notes that the answer to a ping is sent at now.
func (b Belief) Ponged(ping int64, now Clocks) Belief {
	b.unacked = append(slices.Clone(b.unacked[max(0, len(b.unacked)+1-maxUnacked):]), sentPong{ping, now})
	return b
}

// Acked takes, at now, the acknowledgement of the pong that answered a ping: belief counts from the sending of that
// pong. One of a pong that is not known, or older than the last acknowledged, changes nothing; nor does one that comes
// when belief has lapsed, since the server may have given the lock to another meanwhile.
func (b Belief) Acked(ping int64, now Clocks) Belief {
	b = b.At(now)
	i := slices.IndexFunc(b.unacked, func(s sentPong) bool { return s.ping == ping })
	if i < 0 {
		return b
	}
	if b.from = b.unacked[i].at; mutant == "belief-from-answer" {
		b.from = now
	}
	b.unacked = b.unacked[i+1:]
	return b
}

// At returns the belief as it is at now: one that has lapsed by then stays so, whatever the clocks say later.
func (b Belief) At(now Clocks) Belief {
	b.lapsed = !b.Holds(now)
	return b
}

// Holds reports whether the client may believe at now.
func (b Belief) Holds(now Clocks) bool { return b.Left(now) > 0 }

// Left returns for how long after now the client may believe if nothing more is acknowledged; 0 if it may not.
func (b Belief) Left(now Clocks) time.Duration {
	if !b.begun || b.lapsed {
		return 0
	}
	return max(0, b.span-now.Since(b.from))
}

// Watchdog returns how long after a ping, or the welcome, the next one must have come: else the connection is dead, and the client
// opens another.
func Watchdog(heartbeat, pongTimeout time.Duration) time.Duration {
	return heartbeat + heartbeat/10 + pongTimeout
}
