package server

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/editlock/editlock"
)

// drain takes out all that waits: a push as resource and revision, else the frame, "ping" or "close".
func (o *outbox) drain() (got []string) {
	for e, ok := o.next(); ok; e, ok = o.next() {
		switch {
		case e.push != nil:
			got = append(got, fmt.Sprint(e.push.Resource, " ", e.push.Revision))
		case e.ping:
			got = append(got, "ping")
		case e.close != 0:
			got = append(got, "close")
		default:
			got = append(got, string(e.frame))
		}
	}
	return got
}

func news(resource string, revision int64) editlock.Snapshot {
	return editlock.Snapshot{Resource: resource, Revision: revision}
}

func TestOutboxOrder(t *testing.T) {
	o := outbox{limit: 1 << 20}
	o.add(entry{frame: []byte("welcome")})
	o.addPush(news("a", 1))
	o.addPush(news("b", 2))
	o.add(entry{frame: []byte("answer")})
	o.addPush(news("a", 4)) // behind the answer, or that would be taken for the newer
	o.addPush(news("a", 3)) // late
	o.add(entry{ping: true})
	o.add(entry{ping: true})
	o.add(entry{close: 1000})
	if got, want := fmt.Sprint(o.drain()), "[welcome ping b 2 answer a 4 close]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if o.first() != nil || o.pushes != nil || o.bytes != 0 {
		t.Errorf("an empty one keeps %+v", o)
	}
}

// However often something changes, it waits once; and what was taken out of the middle leaves nothing behind.
func TestOutboxHoldsOneOfEach(t *testing.T) {
	o := outbox{limit: 100 << 10}
	for i := range int64(100_000) {
		if o.addPush(news(fmt.Sprint("article/", i*7%50), i)) {
			t.Fatalf("full at %d with %d bytes", i, o.bytes)
		}
	}
	if n := len(o.drain()); n != 50 || o.bytes != 0 {
		t.Errorf("%d wait, and then %d bytes", n, o.bytes)
	}
}

// Faults: A8
func TestOutboxIsBounded(t *testing.T) {
	const limit = 1 << 20
	fill := func(add func(o *outbox, i int) bool) (o outbox, n int) {
		o.limit = limit
		for !add(&o, n) {
			n++
		}
		if o.bytes > limit || o.bytes < limit*9/10 {
			t.Errorf("full at %d bytes", o.bytes)
		}
		return o, n
	}
	o, n := fill(func(o *outbox, i int) bool { return o.addPush(news(fmt.Sprint("article/", i), 1)) })
	if n < limit/600 {
		t.Errorf("full with %d resources", n)
	}
	o.clear()
	if o.add(entry{close: 1000}); fmt.Sprint(o.drain()) != "[close]" {
		t.Error("clear left something")
	}
	if _, n = fill(func(o *outbox, _ int) bool { return o.add(entry{frame: []byte("{}")}) }); n > limit/100 {
		t.Errorf("%d frames wait, which cost more than their text", n)
	}
	o = outbox{limit: limit}
	if o.add(entry{frame: make([]byte, 2*limit)}) {
		t.Error("a large answer cannot be given to anybody")
	}
	if !o.add(entry{frame: []byte("{}")}) || o.add(entry{close: 1000}) {
		t.Error("behind it there is room for the close alone")
	}
}

// Faults: A8
func TestOutboxGrowsOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := outbox{limit: 1 << 20}
		o.addPush(news("a", 1))
		o.add(entry{frame: []byte("answer")})
		<-time.After(maxBehind) // virtual
		if o.add(entry{ping: true}) || o.addPush(news("a", 2)) {
			t.Error("too slow already")
		}
		<-time.After(time.Nanosecond)
		if !o.add(entry{ping: true}) || !o.addPush(news("b", 3)) || o.add(entry{close: 1000}) {
			t.Error("not too slow yet")
		}
		if got := fmt.Sprint(o.drain()); got != "[answer ping a 2 close]" {
			t.Error(got)
		}
		if o.addPush(news("b", 3)) {
			t.Error("too slow, with nothing that waits")
		}
		held := outbox{limit: 1 << 20, held: true}
		held.addPush(news("a", 1))
		if <-time.After(2 * maxBehind); held.addPush(news("b", 1)) {
			t.Error("what is held back for an answer grows old")
		}
	})
}
