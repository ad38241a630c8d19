package lease

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Version is that of the rules in this package. A record that newer rules wrote is not written by these.
const Version = 1

// ErrNewer is returned by Decode for a record of newer rules.
var ErrNewer = errors.New("lease: the record was written by a newer version of editlock")

// State is the whole record of one resource: who holds it, who waits. It is a value; Step never
// changes the one it was given.
//
// A Fence or Lapse revision of 0 stands for the revision of the swap that writes this state; At and
// Decode put the number in.
type State struct {
	V       int            `json:"v"`
	Holds   []Hold         `json:"holds,omitempty"`
	Queue   []Waiter       `json:"queue,omitempty"`  // in order of Ticket
	Ticket  int64          `json:"ticket,omitzero"`  // the last one given out; starts again when nobody has one
	Version string         `json:"version,omitzero"` // of the content, last named
	Freed   time.Time      `json:"freed,omitzero"`   // wall time at which the last hold ended; for the slow pass
	Unknown jsontext.Value `json:",embed"`           // members of newer versions, kept
}

// Hold is a grant that is in force, confirmed or not, lapsed or not.
type Hold struct {
	Part      string    `json:"part,omitzero"`
	Session   string    `json:"session"`
	User      string    `json:"user"`
	Name      string    `json:"name,omitzero"`
	Fence     int64     `json:"fence,omitzero"`
	Since     time.Time `json:"since"`              // wall time, for people
	Confirmed bool      `json:"confirmed,omitzero"` // by its page
	Ticket    int64     `json:"ticket,omitzero"`    // its place in the queue, should it not confirm; 0: none
	Lapsed    bool      `json:"lapsed,omitzero"`
	Over      time.Time `json:"over,omitzero"`     // wall time at which its time was over
	LapseRev  int64     `json:"lapserev,omitzero"` // revision of the swap that set Lapsed

	// Seen and LapseSeen are when this process first saw the revisions Fence and LapseRev: what all
	// waiting is counted from. They are never stored, because clocks of two machines are never compared.
	// Seen is zero if the hold was confirmed before that: it waits for nothing, and was granted before any silence that this
	// process has counted.
	Seen      time.Time `json:"-"`
	LapseSeen time.Time `json:"-"`

	Unknown jsontext.Value `json:",embed"`
}

// Waiter is a place in the queue. It is kept short: 200 of them are in one record.
type Waiter struct {
	Ticket  int64  `json:"n"`
	Session string `json:"s"`
	Part    string `json:"p,omitzero"`
	Since   int64  `json:"t"`          // Unix seconds, for people
	Absent  Flag   `json:"a,omitzero"` // a grant to it was not confirmed; it is skipped until it asks again

	Unknown jsontext.Value `json:",embed"`
}

// Flag is a bool that takes one byte in a record.
type Flag bool

// MarshalJSONTo writes 1 or 0.
func (f Flag) MarshalJSONTo(enc *jsontext.Encoder) error {
	if f {
		return enc.WriteToken(jsontext.Uint(1))
	}
	return enc.WriteToken(jsontext.Uint(0))
}

// UnmarshalJSONFrom reads what MarshalJSONTo writes.
func (f *Flag) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	var n uint8
	if err := json.UnmarshalDecode(dec, &n); err != nil {
		return err
	}
	*f = n != 0
	return nil
}

// Decode reads a state that was stored at revision rev. prev is what this process knew before and now
// its clock: a revision that prev knew keeps the time at which it was first seen.
// It returns ErrNewer for a record of newer rules, and another error for one that is damaged.
func Decode(data []byte, rev int64, prev State, now time.Time) (State, error) {
	var s State
	if err := json.Unmarshal(data, &s); err != nil {
		return State{}, fmt.Errorf("lease: damaged record: %w", err)
	}
	if s.V > Version {
		return State{}, ErrNewer
	}
	s = s.At(rev)
	for i := range s.Holds {
		h := &s.Holds[i]
		if !h.Confirmed {
			h.Seen = now
		}
		if h.Lapsed {
			h.LapseSeen = now
		}
		for _, p := range prev.Holds {
			if p.Fence == h.Fence {
				h.Seen = p.Seen
				if h.Lapsed && p.LapseRev == h.LapseRev {
					h.LapseSeen = p.LapseSeen
				}
			}
		}
	}
	if err := Check(s); err != nil {
		return State{}, fmt.Errorf("lease: damaged record: %w", err)
	}
	return s, nil
}

// Encode writes s for the store.
func Encode(s State) ([]byte, error) {
	s.V = Version
	return json.Marshal(s, json.Deterministic(true))
}

// At returns s as it is once the swap that writes it has got revision rev.
func (s State) At(rev int64) State {
	s.Holds = slices.Clone(s.Holds)
	for i := range s.Holds {
		if s.Holds[i].Fence == 0 {
			s.Holds[i].Fence = rev
		}
		if s.Holds[i].Lapsed && s.Holds[i].LapseRev == 0 {
			s.Holds[i].LapseRev = rev
		}
	}
	return s
}

// Afresh returns s with all waiting counted from at, where it was counted from before. It is for a
// process after an outage of its own, or of its store, that ended at at: in the meantime no page could confirm a
// grant, and none could take a lapsed lock back.
func (s State) Afresh(at time.Time) State {
	s.Holds = slices.Clone(s.Holds)
	for i := range s.Holds {
		h := &s.Holds[i]
		if h.Seen.Before(at) {
			h.Seen = at
		}
		if h.Lapsed && h.LapseSeen.Before(at) {
			h.LapseSeen = at
		}
	}
	return s
}

// HoldOf returns the hold of a session on a part of the resource, or nil. It points into s.
func (s State) HoldOf(session, part string) *Hold {
	for i := range s.Holds {
		if s.Holds[i].Session == session && s.Holds[i].Part == part {
			return &s.Holds[i]
		}
	}
	return nil
}

// Place returns the position of a session in the queue, from 1, and its entry; 0 if it does not wait.
func (s State) Place(session, part string) (int, Waiter) {
	for i, w := range s.Queue {
		if w.Session == session && w.Part == part {
			return i + 1, w
		}
	}
	return 0, Waiter{}
}

// Names calls yield with every session that holds or waits, once per hold or place.
func (s State) Names(yield func(session string) bool) {
	for _, h := range s.Holds {
		if !yield(h.Session) {
			return
		}
	}
	for _, w := range s.Queue {
		if !yield(w.Session) {
			return
		}
	}
}

// Empty reports whether nobody holds or waits.
func (s State) Empty() bool { return len(s.Holds) == 0 && len(s.Queue) == 0 }

func (s State) clone() State {
	s.Holds = slices.Clone(s.Holds)
	s.Queue = slices.Clone(s.Queue)
	return s
}

// conflict reports whether two parts of one resource exclude each other: the whole (the empty part)
// excludes every part, a part excludes itself.
func conflict(p, q string) bool { return p == "" || q == "" || p == q }

// Check returns an error for the first invariant that s breaks, nil if none.
func Check(s State) error {
	for i, h := range s.Holds {
		switch {
		case h.Session == "":
			return errors.New("a hold without a session")
		case h.Fence < 0 || h.Fence > maxFence:
			return fmt.Errorf("fence %d is out of range", h.Fence)
		case h.Lapsed && !h.Confirmed:
			return errors.New("a hold that lapsed was never confirmed")
		case h.Ticket < 0 || h.Ticket > s.Ticket || h.Confirmed && h.Ticket != 0:
			return fmt.Errorf("a hold has ticket %d", h.Ticket)
		case !h.Lapsed && (h.LapseRev != 0 || !h.Over.IsZero()):
			return errors.New("a hold that did not lapse says when it did")
		}
		for _, g := range s.Holds[:i] {
			if conflict(g.Part, h.Part) {
				return fmt.Errorf("two holders: sessions %s and %s", g.Session, h.Session)
			}
			if g.Fence == h.Fence {
				return fmt.Errorf("fence %d twice", h.Fence)
			}
			if g.Ticket != 0 && g.Ticket == h.Ticket {
				return fmt.Errorf("ticket %d twice", h.Ticket)
			}
		}
		if n, _ := s.Place(h.Session, h.Part); n != 0 {
			return fmt.Errorf("session %s holds and waits for the same", h.Session)
		}
	}
	last := int64(0)
	for i, w := range s.Queue {
		if w.Session == "" {
			return errors.New("a waiter without a session")
		}
		if w.Ticket <= last || w.Ticket > s.Ticket {
			return fmt.Errorf("ticket %d is out of order", w.Ticket)
		}
		last = w.Ticket
		if slices.ContainsFunc(s.Holds, func(h Hold) bool { return h.Ticket == w.Ticket }) {
			return fmt.Errorf("ticket %d twice", w.Ticket)
		}
		for _, v := range s.Queue[:i] {
			if v.Session == w.Session && v.Part == w.Part {
				return fmt.Errorf("session %s waits twice", w.Session)
			}
		}
	}
	return nil
}

const maxFence = 1<<53 - 1

// maxHolds bounds how many parts of a resource are held at once, so that its record stays below 64 KiB
// whatever the names in it. Who asks for one more waits.
const maxHolds = 16

// MaxText bounds a user id, a name and a version in a record, in bytes. A caller refuses longer ids; of the others see Step.
const MaxText = 256

// takeBack undoes a lapse.
func (h *Hold) takeBack() {
	h.Lapsed, h.LapseRev, h.Over, h.LapseSeen = false, 0, time.Time{}, time.Time{}
}

// DisplayName returns what may stand in a record as a name: it is for people, so a long one is cut.
func DisplayName(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' ' // six bytes in a record, and nothing that anybody could see
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	for len(s) > MaxText {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return s
}

// version returns what may stand in a record as a version of the content: one that is too long, or no
// text, is unknown rather than cut, since versions are compared.
func version(s string) string {
	if len(s) > MaxText || !utf8.ValidString(s) {
		return ""
	}
	return s
}

func wall(t time.Time) time.Time { return t.Round(0).UTC().Truncate(time.Millisecond) }
