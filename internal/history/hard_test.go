package history

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// Nobody waited for a holder who fell silent, until somebody asked, who had asked long before and had left the queue: that one has the lock at once. By the
// server's clock, which shows milliseconds, it had the lock a hair before it asked.
func TestNobodyWaitedForASilentHolder(t *testing.T) {
	g := good()
	g.drop(func(l *Line) bool { return l.Client == "c" && l.Kind != Heard && l.T > at(146) })
	g.ask(128, "c", "cancel", Line{}, "ok", held(14, "a"))
	g.ask(165.0004, "c", "acquire", Line{Wait: true}, "ok", mine(held(30, "c"), "granted", 30))
	g.ask(165.2, "c", "confirm", Line{Fence: 30}, "ok", mine(held(31, "c"), "held", 30))
	g.ask(166, "c", "release", Line{Fence: 30}, "ok", Snap{Resource: doc, Rev: 40, State: "free"})
	g.change(30).At, g.change(40).At = at(165)/1000, at(166.02)/1000
	slices.SortStableFunc(g.lines, func(a, b Line) int { return int(min(1, max(-1, when(a)-when(b)))) })
	if v, _ := check(t, g.lines); len(v.Accusations) > 0 {
		t.Error(v)
	}
}

// While the server stands, many ask; then two waiters of one person are granted one after the other, who asked long ago, and do not confirm. It is linearizable, and
// that is found soon: a change is not sought for since its waiter asked, but since the server says that it was made.
func TestManyAnswersAtOnceAreJudgedSoon(t *testing.T) {
	defer func(d time.Duration) { enough = d }(enough)
	enough = 20 * time.Second
	g := &tale{}
	g.add(100, Line{Kind: Begin, Seed: 7, TTL: 10 * second})
	g.add(100, Line{Kind: Clock, Wall: at(100) / 1000})
	const turns = 6
	name := func(i int) string { return []string{"u", "v"}[i%2] }
	for i := range turns {
		g.op++
		g.add(110+float64(i), Line{Kind: Call, Name: "acquire", Client: fmt.Sprint("w", i), User: name(i), Session: fmt.Sprint("s", i), Resource: doc, Op: g.op, Wait: true})
	}
	side := func(i int, why string) *Side {
		return &Side{Session: fmt.Sprint("s", i), User: name(i), Fence: int64(10 + i), Reason: why}
	}
	for i := range turns {
		asks := float64(200 + 20*i)
		if i == 0 {
			g.entry(asks, 10, nil, side(0, ""))
		} else {
			g.entry(asks, int64(10+i), side(i-1, "unconfirmed"), side(i, ""))
		}
		for k := range 60 { // who asked while it stood, and was answered by whom it held before, or after
			by := i
			if k%2 == 0 && i > 0 {
				by--
			}
			g.op++
			client := fmt.Sprintf("r%d-%d", i, k)
			g.add(asks-10+float64(k)/100, Line{Kind: Call, Name: "watch", Client: client, Session: "s" + client, Resource: doc, Op: g.op})
			if i > 0 || by == i {
				seen := held(int64(10+by), name(by))
				g.add(asks+1+float64(k)/100, Line{Kind: Return, Name: "watch", Client: client, Session: "s" + client, Resource: doc, Op: g.op, Code: "ok", Snap: &seen})
			}
		}
	}
	slices.SortStableFunc(g.lines, func(a, b Line) int { return int(min(1, max(-1, when(a)-when(b)))) })
	r, err := order(g.lines)
	if err != nil {
		t.Fatal(err)
	}
	j := &judge{run: r, counts: map[string]int{}}
	j.linearizable(r.resources[doc])
	for _, a := range j.found {
		t.Errorf("%s: %s", a.Promise, a.Text)
	}
}
