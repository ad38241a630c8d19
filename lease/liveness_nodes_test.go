package lease

import (
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
