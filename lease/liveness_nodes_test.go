package lease

import (
	"fmt"
	"testing"
	"time"
)

// A node that is stopped and continued goes on if nobody ended it, and then nobody has ended its sessions.
// If it was ended, its renewal fails; what it still writes late leaves an orphan that has all its time.
//
// Faults: N4, N5
func TestNodeStoppedAndContinued(t *testing.T) {
	w := newLife(t)
	w.renew("a", nil)
	w.resume("a")
	b := w.start("b")
	w.renew("a", nil)
	w.renewed(b, 2*time.Second)

	// Stopped for 20 s.
	for range 10 {
		w.renewed(b, 2*time.Second)
	}
	if left := w.l.Left(b.own["a"], w.session.rev, w.l.TTL); left != 21*time.Second {
		t.Errorf("%v left after 20 s", left)
	}
	w.renew("a", nil) // its swap succeeds: the record has the revision that it expects
	w.renewed(b, 2*time.Second)
	if left := w.l.Left(b.own["a"], w.session.rev, w.l.TTL); left != 41*time.Second {
		t.Errorf("%v left after it went on", left)
	}

	// Stopped for 120 s: b ends it, and then the session.
	w.count(b, time.Minute)
	expected := w.revs["a"]
	w.rev++
	w.records["a"], w.revs["a"] = w.records["a"].End(expected), w.rev
	if w.revs["a"] == expected {
		t.Fatal("its renewal would succeed")
	}
	w.renewed(b, 2*time.Second)
	if left := w.l.Left(b.own["a"], w.session.rev, w.l.TTL); left > 0 {
		t.Errorf("the count did not run on through the swap that ended the node: %v left", left)
	}

	// A session was at c, which acknowledges it still, when a late swap of a's takes it over.
	w.resume("a")
	if left := w.l.Left(b.own["a"], w.session.rev, w.l.TTL); left != 41*time.Second {
		t.Errorf("the orphan of an ended node has %v left", left)
	}
	if d := w.count(b, time.Hour); d < 41*time.Second || d > 47*time.Second {
		t.Errorf("the orphan was ended after %v", d)
	}
}

// The marks do not grow without bound, and still date the longest threshold.
func TestMarksAreBounded(t *testing.T) {
	w := newLife(t)
	w.l.TTL = 5 * time.Minute
	w.renew("a", nil)
	b := w.start("b")
	for range 2000 {
		w.renewed(b, 2*time.Second)
	}
	if n := len(b.own["a"].Marks); n > maxMarks {
		t.Errorf("%d marks", n)
	}
	w.resume("a")
	if d := w.count(b, time.Hour); d < 311*time.Second || d > 317*time.Second {
		t.Errorf("a late session was ended after %v", d)
	}
	if data, err := EncodeNode(NodeRecord{Silences: b.own}); err != nil || len(data) > 4<<10 {
		t.Errorf("%d bytes for one silent node: %v", len(data), err)
	}
}

// However many nodes are silent, a node can store its own record; and what it leaves out of its counts makes nobody's time
// shorter, and nobody's longer whose session is older than the silence.
func TestStoredCountsAreBounded(t *testing.T) {
	l := DefaultLiveness()
	const first = maxFence - 10*maxMarks
	for _, nodes := range []int{1, 3, 4, maxStored, maxStored + 1, 2000} {
		counts, named := Silences{}, map[string]bool{}
		for i := range nodes {
			s := Silence{Life: maxFence, Millis: 9_000_000_000 + int64(i), Changed: true}
			for j := range int64(maxMarks) {
				s.Marks = append(s.Marks, Mark{Rev: first + 5*j, Millis: 8_000_000_000 + 4000*j})
			}
			id := fmt.Sprintf("%016d", i)
			counts[id], named[id] = s, true
			counts["un"+id[2:]] = s // nobody names it
		}
		stored := counts.Stored(named)
		if want := min(nodes, maxStored); len(stored) != want {
			t.Errorf("%d nodes: %d counts are stored, want %d", nodes, len(stored), want)
		}
		data, err := EncodeNode(NodeRecord{Ended: maxFence, Silences: stored})
		if err != nil || len(data) >= 32<<10 {
			t.Errorf("%d nodes: %d bytes, %v", nodes, len(data), err)
		}
		if _, err := DecodeNode(data); err != nil {
			t.Error(err)
		}
		for id, s := range stored {
			if !named[id] {
				t.Fatalf("the count of %s is stored, which nobody names", id)
			}
			if whole := counts[id]; l.Left(s, first, l.TTL) != l.Left(whole, first, l.TTL) {
				t.Fatalf("%d nodes: a session from before the silence has another time", nodes)
			}
			for rev := int64(first); rev < first+5*maxMarks; rev += 3 {
				if l.Left(s, rev, l.TTL) < l.Left(counts[id], rev, l.TTL) {
					t.Fatalf("%d nodes: a session of revision %d is ended sooner", nodes, rev)
				}
			}
		}
		if _, ok := stored[fmt.Sprintf("%016d", nodes-1)]; !ok {
			t.Errorf("%d nodes: the largest count is not stored", nodes)
		}
	}
}
