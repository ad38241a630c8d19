package lease

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestNodeRecordRoundTrip(t *testing.T) {
	n := NodeRecord{Started: time.Date(2026, 11, 23, 14, 5, 0, 0, time.UTC), Ended: 7, Silences: Silences{
		"b": {Life: 5, Millis: 8500, Changed: true, Marks: []Mark{{Rev: 3}, {Rev: 9, Millis: 4000}}},
	}}
	data, err := EncodeNode(n)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeNode(data)
	if err != nil {
		t.Fatal(err)
	}
	n.V = Version
	if !reflect.DeepEqual(got, n) {
		t.Errorf("got %+v, want %+v\n%s", got, n, data)
	}
	newer := strings.Replace(string(data), `"ended"`, `"extra":[1],"ended"`, 1)
	if got, err = DecodeNode([]byte(newer)); err != nil {
		t.Fatal(err)
	}
	if data, err = EncodeNode(got); err != nil || !strings.Contains(string(data), `"extra":[1]`) {
		t.Errorf("a member of a newer version is lost: %s, %v", data, err)
	}
}

func TestNodeRecordRefused(t *testing.T) {
	if _, err := DecodeNode([]byte(`{"v":2}`)); !errors.Is(err, ErrNewer) {
		t.Errorf("a record of newer rules: %v", err)
	}
	for _, data := range []string{
		`{"v":1,"ended":9007199254740991}`, `{"v":1,"silences":{"b":{"life":9007199254740991,"ms":0,"marks":[{"r":0,"ms":0}]}}}`,
		`{"v":1,"silences":{"b":{"ms":999,"marks":[` + marks(maxMarks) + `]}}}`,
	} {
		if _, err := DecodeNode([]byte(data)); err != nil {
			t.Errorf("%s is refused: %v", data, err)
		}
	}
	for _, data := range []string{
		`{`, `[]`, `{"v":1,"v":1}`, `{"v":1,"ended":-1}`, `{"v":1,"ended":9007199254740992}`,
		`{"v":1,"silences":{"b":{"ms":1,"marks":[]}}}`,
		`{"v":1,"silences":{"b":{"ms":-1,"marks":[{"r":1,"ms":0}]}}}`,
		`{"v":1,"silences":{"b":{"life":-1,"ms":1,"marks":[{"r":1,"ms":0}]}}}`,
		`{"v":1,"silences":{"b":{"ms":1,"marks":[{"r":1,"ms":2}]}}}`,
		`{"v":1,"silences":{"b":{"ms":9,"marks":[{"r":2,"ms":0},{"r":1,"ms":5}]}}}`,
		`{"v":1,"silences":{"b":{"ms":9,"marks":[{"r":2,"ms":5},{"r":3,"ms":5}]}}}`,
		`{"v":1,"silences":{"b":{"ms":9,"marks":[{"r":2,"ms":0},{"r":2,"ms":5}]}}}`,
		`{"v":1,"silences":{"b":{"ms":999,"marks":[` + marks(maxMarks+1) + `]}}}`,
	} {
		if _, err := DecodeNode([]byte(data)); err == nil {
			t.Errorf("%s is taken", data)
		}
	}
}

func marks(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`{"r":%d,"ms":%d}`, i, i))
	}
	return strings.Join(all, ",")
}

// Of counts of one node the largest is taken up, and of equal ones the one that began first, whatever the
// order in which they are met.
func TestTakeUp(t *testing.T) {
	l := DefaultLiveness()
	count := func(life, ms, rev int64) NodeRecord {
		return NodeRecord{Silences: Silences{"a": {Life: life, Millis: ms, Changed: true, Marks: []Mark{{Rev: rev}}}}}
	}
	for range 50 {
		got := l.TakeUp(map[string]int64{"a": 7}, map[string]NodeRecord{
			"b": count(7, 2000, 3), "c": count(7, 4000, 6), "d": count(7, 4000, 4), "e": count(7, 4000, 5), "f": count(6, 9000, 1),
		})
		if s := got["a"]; s.Millis != 4000 || s.Marks[0].Rev != 4 || s.Changed {
			t.Fatalf("took up %+v", got)
		}
		if got := l.TakeUp(map[string]int64{"b": 7}, map[string]NodeRecord{"b": count(7, 2000, 3)}); len(got) != 0 {
			t.Fatalf("took up %+v of a node that is not there", got)
		}
	}
}

func TestVouches(t *testing.T) {
	l, at := DefaultLiveness(), func(s float64) time.Time { return epoch.Add(time.Duration(s * float64(time.Second))) }
	for _, c := range []struct {
		now, renewed, polled time.Time
		want                 bool
	}{
		{at(10), at(0), at(0), true},
		{at(10.001), at(0), at(5), false},
		{at(10.001), at(5), at(0), false},
		{at(1), time.Time{}, at(0), false},
		{at(1), at(0), time.Time{}, false},
	} {
		if got := l.Vouches(c.now, c.renewed, c.polled); got != c.want {
			t.Errorf("%+v: got %v", c, got)
		}
	}
	if l.Gap(at(0), at(10)) || !l.Gap(at(0), at(10.001)) {
		t.Error("a gap is what is longer than 10 s")
	}
}

func TestPulse(t *testing.T) {
	l := DefaultLiveness()
	at := func(s int) time.Time { return epoch.Add(time.Duration(s) * time.Second) }
	want := func(p Pulse, s int, what string) {
		t.Helper()
		if !p.Deadline.Equal(at(s)) || p.Over(at(s).Add(-1)) || !p.Over(at(s)) {
			t.Errorf("%s: over at %v, want %d s", what, p.Deadline.Sub(epoch), s)
		}
	}
	p := l.Came(at(0))
	want(p, 30, "came")
	p = l.Heard(p, at(8))
	want(p, 38, "heard")
	left := l.ByeSeen(p, at(10))
	want(left, 15, "bye")
	want(l.Heard(left, at(11)), 15, "a late pong after a bye")
	want(l.ByeSeen(left, at(13)), 15, "the bye again")
	want(l.ByeSeen(p, at(36)), 38, "a bye does not lengthen")
	want(l.Came(at(12)), 42, "resumed")
	moved := l.Moved(at(0))
	want(moved, 41, "came from another node")
	want(l.Back(moved, at(5)), 41, "the attempt by which it came, repeated")
	want(l.Back(moved, at(20)), 50, "resumed on that node later")
	want(l.Back(left, at(12)), 42, "resumed after a bye")
	want(l.Heard(moved, at(5)), 41, "heard, when the other node may still have acknowledged")
	want(l.Heard(l.Heard(moved, at(5)), at(12)), 42, "heard later")
	want(l.ByeSeen(moved, at(5)), 10, "a bye on the new node")
	want(l.Heard(l.ByeSeen(moved, at(5)), at(6)), 10, "a late pong after that")
	want(l.Afresh(p, at(30)), 75, "after a gap")
	want(l.Afresh(left, at(30)), 75, "after a gap, a bye included")
	want(l.ByeSeen(l.Afresh(left, at(30)), at(31)), 75, "after a gap, the bye again")
	want(l.Heard(l.Afresh(p, at(30)), at(31)), 61, "heard again after a gap")
	want(l.Spared(p, at(30), at(34)), 38, "after a renewal in time")
	want(l.Spared(p, at(30), at(35)), 43, "after 5 s without a renewal")
	want(l.Spared(p, at(5), at(14)), 44, "heard while there was no renewal: no more than a sign of life gives")
	want(l.Spared(left, at(10), at(18)), 23, "a bye while there was no renewal")
	want(l.Spared(l.Afresh(p, at(30)), at(30), at(38)), 83, "after a gap, and no renewal again: it keeps what it had left")
	if l.TTL = 5 * time.Minute; l.Fresh() != 311*time.Second {
		t.Errorf("fresh is %v", l.Fresh())
	}
	want(l.Afresh(l.ByeSeen(l.Came(at(0)), at(1)), at(30)), 341, "after a gap, with a TTL of 5 min")
	if !(Pulse{}).Over(at(0)) {
		t.Error("the zero pulse is not over")
	}
}

// life is the store as nodes see it: their records, one session's record, and the order of both.
type life struct {
	t       *testing.T
	l       Liveness
	rev     int64
	records map[string]NodeRecord
	revs    map[string]int64
	session struct {
		node string
		rev  int64
	}
}

func newLife(t *testing.T) *life {
	return &life{t: t, l: DefaultLiveness(), records: map[string]NodeRecord{}, revs: map[string]int64{}}
}

// counter is a node that counts.
type counter struct {
	id  string
	own Silences
}

func (w *life) start(id string) *counter {
	w.renew(id, nil)
	c := &counter{id: id}
	c.own = w.l.TakeUp(w.view(id), w.records)
	w.renewed(c, 0)
	return c
}

func (w *life) renew(id string, s Silences) {
	w.rev++
	data, err := EncodeNode(NodeRecord{Silences: s})
	if err != nil {
		w.t.Fatal(err)
	}
	if w.records[id], err = DecodeNode(data); err != nil {
		w.t.Fatal(err)
	}
	w.revs[id] = w.rev
}

func (w *life) renewed(c *counter, elapsed time.Duration) {
	w.renew(c.id, c.own)
	c.own = w.l.Count(c.own, w.view(c.id), w.rev, elapsed)
}

func (w *life) view(id string) map[string]int64 {
	view := map[string]int64{}
	for other, n := range w.records {
		if other != id {
			view[other] = n.Life(w.revs[other])
		}
	}
	if _, known := w.records[w.session.node]; !known && w.session.node != "" {
		view[w.session.node] = 0 // missing
	}
	return view
}

func (w *life) resume(node string) {
	w.rev++
	w.session.node, w.session.rev = node, w.rev
}

// count renews c every 2 s until the session may be ended, and returns how long that took.
func (w *life) count(c *counter, limit time.Duration) time.Duration {
	w.t.Helper()
	for d := time.Duration(0); d <= limit; d += 2 * time.Second {
		if w.l.Left(c.own[w.session.node], w.session.rev, w.l.TTL) <= 0 {
			return d
		}
		w.renewed(c, 2*time.Second)
	}
	w.t.Fatalf("the session was not ended within %v", limit)
	return 0
}

// Faults: N1, N2
func TestSilentNode(t *testing.T) {
	t.Run("which was seen alive", func(t *testing.T) {
		w := newLife(t)
		w.renew("a", nil)
		w.resume("a")
		b := w.start("b")
		for range 5 {
			w.renew("a", nil)
			w.renewed(b, 2*time.Second)
		}
		if d := w.count(b, time.Hour); d != 42*time.Second { // 41, at a renewal
			t.Errorf("ended after %v", d)
		}
	})
	t.Run("after an outage of the whole service", func(t *testing.T) {
		w := newLife(t)
		w.renew("a", nil)
		w.resume("a")
		b := w.start("b")
		for range 5 {
			w.renew("a", nil)
			w.renewed(b, 2*time.Second)
		}
		w.renewed(b, 0) // the one that b stored last tells of a's last life, and that it had seen a alive
		if d := w.count(w.start("c"), time.Hour); d != 46*time.Second {
			t.Errorf("ended after %v, though nobody was there before", d)
		}
	})
	t.Run("with a long TTL", func(t *testing.T) {
		w := newLife(t)
		w.l.TTL = 5 * time.Minute
		w.renew("a", nil)
		w.resume("a")
		if d := w.count(w.start("b"), time.Hour); d != 312*time.Second {
			t.Errorf("ended after %v", d)
		}
	})
	t.Run("that nobody knows", func(t *testing.T) {
		w := newLife(t)
		b := w.start("b")
		w.renewed(b, 2*time.Second)
		w.resume("missing")
		w.renewed(b, 2*time.Second) // first sight
		if d := w.count(b, time.Hour); d != 46*time.Second {
			t.Errorf("ended after %v", d)
		}
	})
}

// A renewal counts 4 s at most, and nothing while nobody could come.
func TestCountedTime(t *testing.T) {
	w := newLife(t)
	w.renew("a", nil)
	b := w.start("b")
	for _, c := range []struct{ elapsed, want time.Duration }{
		{0, 0}, {2 * time.Second, 2 * time.Second}, {time.Hour, 6 * time.Second}, {-time.Hour, 6 * time.Second}, {time.Second, 7 * time.Second},
	} {
		w.renewed(b, c.elapsed)
		if got := time.Duration(b.own["a"].Millis) * time.Millisecond; got != c.want {
			t.Errorf("%v elapsed: %v counted, want %v", c.elapsed, got, c.want)
		}
	}
	if n := len(b.own["a"].Marks); n != 2 { // one at least every 4 s, which is what a late session may lose
		t.Errorf("%d marks", n)
	}
	w.renew("a", nil)
	w.renewed(b, 2*time.Second)
	if s := b.own["a"]; s.Millis != 0 || !s.Changed {
		t.Errorf("a renewed its life: %+v", s)
	}
	delete(w.records, "a")
	w.renewed(b, 2*time.Second)
	if s, ok := b.own["a"]; ok {
		t.Errorf("a is forgotten, and still counted: %+v", s)
	}
}

// Nodes that keep restarting finish a count all the same, without counting any time twice, and what one
// swapped to ended counts on.
func TestNodesThatKeepRestarting(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		w := newLife(t)
		w.renew("a", nil)
		w.resume("a")
		uptime, starts := time.Duration(0), 0
		var c *counter
		for over := false; !over; {
			if c == nil || r.IntN(6) == 0 {
				starts++
				c = w.start(fmt.Sprint("n", starts))
			}
			d := time.Duration(r.IntN(5000)) * time.Millisecond
			w.renewed(c, d)
			uptime += min(d, 4*time.Second)
			if r.IntN(20) == 0 {
				n := w.records["a"].End(w.revs["a"])
				w.rev++
				w.records["a"], w.revs["a"] = n, w.rev
			}
			over = w.l.Left(c.own["a"], w.session.rev, w.l.TTL) <= 0
			if over && uptime < 45*time.Second {
				t.Fatalf("seed %d: ended after %v of uptime", seed, uptime)
			}
			if uptime > 10*time.Minute {
				t.Fatalf("seed %d: not ended after %v of uptime and %d starts", seed, uptime, starts)
			}
		}
	}
}
