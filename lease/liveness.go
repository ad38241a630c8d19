package lease

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Liveness holds the numbers by which a session's time is over, and the rules that use them. A session
// is in the care of one node at a time, the one that its record names. While that node is alive, it
// alone counts the silence of its sessions (Pulse). When it has fallen silent itself, the other nodes,
// or the same one after a restart under a new id, count its silence (Silences).
//
// All times given to its methods must carry the monotonic clock. The methods are pure.
type Liveness struct {
	TTL     time.Duration // a session that was not heard of for so long is over
	Vouch   time.Duration // a node acknowledges for so long after it sent what was confirmed
	Bye     time.Duration // what a session has left once its page was left
	Amnesty time.Duration // the least that every session gets after an outage of ours
	Stride  time.Duration // the most that one renewal adds to a count
	Slack   time.Duration // for clocks that do not run alike
}

// DefaultLiveness returns the numbers of docs/spec.md, with a TTL of 30 s.
func DefaultLiveness() Liveness {
	return Liveness{
		TTL: 30 * time.Second, Vouch: 10 * time.Second, Bye: 5 * time.Second,
		Amnesty: 45 * time.Second, Stride: 4 * time.Second, Slack: time.Second,
	}
}

// Fresh returns how long a session has, counted afresh, after an outage of ours.
func (l Liveness) Fresh() time.Duration { return max(l.Amnesty, l.Vouch+l.TTL+l.Slack) }

// Vouches reports whether a node may acknowledge anything at now. renewed and polled are when it *sent*
// its last renewal and its last poll of changes that were confirmed; the zero time stands for none.
// The moment of sending counts, because others count from a moment at which they saw the renewal, which
// is later than it was sent, but may be long before its confirmation arrived.
//
// A node that does not vouch must not count the silence of its own sessions either, and one that does only up to renewed:
// whether the time since then was good for anybody to come back, the next renewal will show.
func (l Liveness) Vouches(now, renewed, polled time.Time) bool {
	return !renewed.IsZero() && !polled.IsZero() && now.Sub(renewed) <= l.Vouch && now.Sub(polled) <= l.Vouch
}

// Gap reports whether the node was without a confirmed renewal for too long: the one before was sent
// at last, this one is confirmed at now. Then every session of the node gets Pulse.Afresh, before any other
// is judged: its pongs may have got lost by our fault.
func (l Liveness) Gap(last, now time.Time) bool { return now.Sub(last) > l.Vouch }

// Pulse is what a node keeps in memory of one of its own sessions. The zero Pulse is over.
type Pulse struct {
	Deadline time.Time // the session is over at this moment
	Least    time.Time // it is not over before this moment, whenever it was heard of; see Moved
	Left     bool      // its page said bye; only Came undoes that
	fresh    bool      // the deadline is that of Afresh
}

// Came returns the pulse of a session that was made, or has resumed, at now, durably. It is also that
// of a record which names this node for a session that it does not know, at its first sight.
func (l Liveness) Came(now time.Time) Pulse { return Pulse{Deadline: now.Add(l.TTL)} }

// Back is Came for a session that was in the care of this node already, and had pulse p there: what Moved gave it stands.
func (l Liveness) Back(p Pulse, now time.Time) Pulse {
	back := l.Came(now)
	if back.Least = p.Least; back.Deadline.Before(back.Least) {
		back.Deadline = back.Least
	}
	return back
}

// Moved is Came for a session that was in the care of another node, which may live: that node acknowledged nothing that it
// heard later than Vouch after now, since by then it knows, or knows that it cannot know.
func (l Liveness) Moved(now time.Time) Pulse {
	least := now.Add(l.Vouch + l.TTL + l.Slack)
	return Pulse{Deadline: least, Least: least}
}

// Heard returns the pulse after a sign of life at now. A page that was left gives none: what still
// arrives was sent before its bye.
func (l Liveness) Heard(p Pulse, now time.Time) Pulse {
	if p.Left {
		return p
	}
	if p.Deadline = now.Add(l.TTL); p.Deadline.Before(p.Least) {
		p.Deadline = p.Least
	}
	return p
}

// ByeSeen returns the pulse after a bye of the session's present epoch, first seen at now. A repeated one
// changes nothing.
func (l Liveness) ByeSeen(p Pulse, now time.Time) Pulse {
	if mutant == "bye-frees" {
		l.Bye = 0
	}
	if d := now.Add(l.Bye); !p.Left && d.Before(p.Deadline) {
		p.Deadline, p.fresh = d, false
	}
	p.Left = true
	return p
}

// Afresh returns the pulse after a gap that ended at now. It never shortens, and a page that was left
// gets as much as the others: it may be a reload that could not reach us.
func (l Liveness) Afresh(p Pulse, now time.Time) Pulse {
	if d := now.Add(l.Fresh()); d.After(p.Deadline) && mutant != "no-amnesty" {
		p.Deadline, p.fresh = d, true
	}
	return p
}

// Spared returns the pulse after two confirmed renewals of the node, of which the earlier was sent at last and the later is
// confirmed at now. If there is more between them than one renewal may add to a count, something of ours was down: nobody
// could come back, since a resume is stored, so none of that time is counted. It never shortens, and gives no more than
// a sign of life at now would, but to who has its time afresh: that has been heard of by nobody since, and keeps what it had left.
func (l Liveness) Spared(p Pulse, last, now time.Time) Pulse {
	gap := now.Sub(last)
	if gap <= l.Stride || mutant == "outage-counts" {
		return p
	}
	d := p.Deadline.Add(gap)
	if most := now.Add(l.TTL); d.After(most) && !p.fresh {
		d = most
	}
	if d.After(p.Deadline) {
		p.Deadline = d
	}
	return p
}

// Over reports whether the session's time is over at now.
func (p Pulse) Over(now time.Time) bool { return !now.Before(p.Deadline) }

// NodeRecord is the record of a node's life. A node makes one under a random id at each start, and
// renews it by compare-and-swap. A node whose record is ended or missing takes a new id.
type NodeRecord struct {
	V        int       `json:"v"`
	Started  time.Time `json:"started"`        // wall time, for people
	Ended    int64     `json:"ended,omitzero"` // the revision that was replaced by the swap that ended it; 0: not ended
	Silences Silences  `json:"silences,omitzero"`

	Unknown jsontext.Value `json:",embed"` // members of newer versions, kept
}

// EncodeNode writes a node's record for the store.
func EncodeNode(n NodeRecord) ([]byte, error) {
	n.V = Version
	return json.Marshal(n, json.Deterministic(true))
}

// DecodeNode reads a node's record. It returns ErrNewer for one of newer rules, and another error for
// one that is damaged.
func DecodeNode(data []byte) (NodeRecord, error) {
	var n NodeRecord
	if err := json.Unmarshal(data, &n); err != nil {
		return NodeRecord{}, fmt.Errorf("lease: damaged record of a node: %w", err)
	}
	if n.V > Version {
		return NodeRecord{}, ErrNewer
	}
	if n.Ended < 0 || n.Ended > maxFence {
		return NodeRecord{}, fmt.Errorf("lease: damaged record of a node: ended at revision %d", n.Ended)
	}
	for id, s := range n.Silences {
		if err := s.check(); err != nil {
			return NodeRecord{}, fmt.Errorf("lease: damaged record of a node: silence of %q: %w", id, err)
		}
	}
	return n, nil
}

// End returns n as it has to be swapped, at revision rev, before the first session of that node is
// ended by another. That stops the node, not its sessions: each still waits for its own count.
func (n NodeRecord) End(rev int64) NodeRecord {
	if n.Ended == 0 {
		n.Ended = rev
	}
	return n
}

// Life returns the revision of the last sign of life in a node's record stored at rev. The swap that
// ends a node leaves it as it is, so a count runs on through that swap. The life of a missing node is 0.
func (n NodeRecord) Life(rev int64) int64 {
	if n.Ended != 0 {
		return n.Ended
	}
	return rev
}

// Silences are the counts that a node keeps of others, by node id, and stores in its own record.
type Silences map[string]Silence

// Silence counts how long a node was seen to give no sign of life while the node that counts was alive
// and ready for clients: never a difference of two clocks, nor of stored times.
type Silence struct {
	Life    int64 `json:"life,omitzero"`    // see NodeRecord.Life; 0: the node is missing
	Millis  int64 `json:"ms"`               // counted so far
	Changed bool  `json:"changed,omitzero"` // its life was seen to change, by the one who counts
	// Marks date the count in the order of the store: Mark.Millis had been counted when the counting
	// node's own renewal got Mark.Rev. They rise, and are never empty.
	Marks []Mark `json:"marks"`
}

// Mark ties a count to a revision.
type Mark struct {
	Rev    int64 `json:"r"`
	Millis int64 `json:"ms"`
}

// maxMarks at a Stride apart reach back further than the largest threshold.
const maxMarks = 128

// What of the counts is stored. Encoded, that is less than 32 KiB: half of what a store takes.
const (
	maxStored      = 160 // counts
	maxStoredMarks = 400 // marks of all of them together
)

// Stored returns what of the counts goes into the counting node's own record: only those of nodes that
// the record of a session names, since nothing else waits for one; of too many the largest, which are the next to
// end; and of too many marks some of each. A count or a mark that is left out only lengthens what is to be counted after
// a restart. The first mark of a count always stays: from it all sessions count that are older than the silence.
func (s Silences) Stored(named map[string]bool) Silences {
	var ids []string
	for id := range s {
		if named[id] {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b string) int {
		return cmp.Or(cmp.Compare(s[b].Millis, s[a].Millis), cmp.Compare(a, b))
	})
	ids = ids[:min(len(ids), maxStored)]
	stored := make(Silences, len(ids))
	for _, id := range ids {
		count := s[id]
		if n, keep := len(count.Marks), maxStoredMarks/len(ids); n > keep {
			marks := make([]Mark, keep)
			for i := range marks {
				marks[i] = count.Marks[i*(n-1)/(keep-1)]
			}
			count.Marks = marks
		}
		stored[id] = count
	}
	return stored
}

// Count returns the counts after a renewal of the counting node was confirmed with revision rev.
//
// view has the life of every other node that has a record, and of every missing node (0) that the record
// of a session names. It must have been read after that confirmation. elapsed is the monotonic time
// between the moment at which the view before was complete and the moment at which this one was; give 0 after a
// start, and whenever the node was not ready for clients at one of the two: clients that could
// come to nobody have not been silent. One renewal adds at most l.Stride, so a stopped or suspended
// counter counts nothing of what it slept through.
func (l Liveness) Count(own Silences, view map[string]int64, rev int64, elapsed time.Duration) Silences {
	counts := make(Silences, len(view))
	for id, life := range view {
		s, known := own[id]
		if !known || s.Life != life {
			counts[id] = Silence{
				Life: life, Changed: s.Changed || known && s.Life != 0 && life != 0,
				Marks: []Mark{{Rev: rev}},
			}
			continue
		}
		s.Millis += min(max(elapsed, 0), l.Stride).Milliseconds()
		if last := s.Marks[len(s.Marks)-1]; s.Millis-last.Millis >= l.Stride.Milliseconds() {
			s.Marks = append(slices.Clone(s.Marks[max(0, len(s.Marks)+1-maxMarks):]), Mark{rev, s.Millis})
		}
		counts[id] = s
	}
	return counts
}

// TakeUp returns the counts with which a starting node begins: for each node the largest stored in any
// node's record, if it still stands. So nodes that keep restarting still finish a count.
//
// That the life was seen to change is not taken up: it says that the service went on when that node
// fell silent, which the one who starts cannot know of its predecessor. After an outage of the whole service every
// session has l.Fresh.
func (l Liveness) TakeUp(view map[string]int64, records map[string]NodeRecord) Silences {
	counts := Silences{}
	for _, n := range records {
		for id, s := range n.Silences {
			if life, seen := view[id]; !seen || life != s.Life {
				continue
			}
			best, ok := counts[id]
			if !ok || s.Millis > best.Millis || s.Millis == best.Millis && s.Marks[0].Rev < best.Marks[0].Rev {
				s.Changed = false
				counts[id] = s
			}
		}
	}
	return counts
}

// Left returns how much is still to be counted before a session may be ended by the node that keeps
// the count s; zero or less: it may be ended now. rev is the revision of the session's record, which names the
// silent node, and ttl is that session's.
//
// The silent node itself acknowledged nothing later than Vouch after its last sign of life. Nor did the node that had the
// session before, later than Vouch after the session's record went over; hence only what was counted after the
// session's record was written counts for it. That is also what holds a late write of a stopped
// node harmless: the orphan that it leaves has all its time.
func (l Liveness) Left(s Silence, rev int64, ttl time.Duration) time.Duration {
	needed := l.Vouch + ttl + l.Slack
	if mutant == "restart-expires" {
		needed = 2 * time.Second
	} else if !s.Changed {
		needed = max(l.Amnesty, needed)
	}
	for _, m := range s.Marks {
		if m.Rev >= rev {
			return needed - time.Duration(s.Millis-m.Millis)*time.Millisecond
		}
	}
	return needed
}

func (s Silence) check() error {
	if s.Life < 0 || s.Life > maxFence || s.Millis < 0 || len(s.Marks) == 0 || len(s.Marks) > maxMarks {
		return fmt.Errorf("life %d, %d ms, %d marks", s.Life, s.Millis, len(s.Marks))
	}
	last := Mark{Rev: -1, Millis: -1}
	for _, m := range s.Marks {
		if m.Rev <= last.Rev || m.Millis <= last.Millis || m.Millis > s.Millis {
			return fmt.Errorf("mark %d at %d ms is out of order", m.Rev, m.Millis)
		}
		last = m
	}
	return nil
}
