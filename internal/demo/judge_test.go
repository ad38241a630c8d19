package demo

import (
	"slices"
	"strings"
	"testing"
	"time"
)

var began = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time {
	return began.Add(time.Duration(seconds * float64(time.Second)))
}

func TestJudgeCountsStuckOnce(t *testing.T) {
	gone := facts{Holder: "Ana", Waiting: []string{"Ben"}}
	ben := []tab{{Person: "Ben", Phase: phaseWaiting}}
	j := &judge{}
	for s := range 60 {
		j.look(at(float64(s)), gone, ben, time.Time{})
		if want := 0; s < 20 && j.counts.Stuck != want || s >= 20 && j.counts.Stuck != 1 {
			t.Fatalf("after %d s: %+v", s, j.counts)
		}
	}
	// Freed, and stuck again: a second one.
	j.look(at(60), facts{Holder: "Ben"}, []tab{{Person: "Ben", Phase: phaseEditing}}, time.Time{})
	if j.emptyFor(at(60)) != 0 || j.stuck {
		t.Fatal("Ben is there")
	}
	j.look(at(61), gone, ben, time.Time{})
	j.look(at(81), gone, ben, time.Time{})
	if j.counts.Stuck != 2 {
		t.Fatalf("%+v", j.counts)
	}
}

func TestJudgeCountsFreeWhileSomebodyWaits(t *testing.T) {
	j := &judge{}
	f := facts{Waiting: []string{"Ben"}}
	j.look(at(0), f, nil, time.Time{})
	j.look(at(20), f, nil, time.Time{})
	if j.counts.Stuck != 1 {
		t.Fatalf("%+v", j.counts)
	}
}

func TestJudgeCountsAPageThatNobodyWillCall(t *testing.T) {
	for cut, want := range map[bool]int{false: 1, true: 0} {
		j := &judge{}
		ana := []tab{{Person: "Ana", Phase: phaseWaiting, cut: cut}} // without a network it cannot know better
		j.look(at(0), facts{}, ana, time.Time{})
		j.look(at(20), facts{}, ana, time.Time{})
		if j.counts.Stuck != want {
			t.Fatalf("cut %v: %+v", cut, j.counts)
		}
	}
}

// A lease that is over, and that whoever asks gets, is not stuck.
func TestJudgeTakesLapsedForFree(t *testing.T) {
	j := &judge{}
	f := facts{Holder: "Ana", Lapsed: true}
	j.look(at(0), f, nil, time.Time{})
	j.look(at(60), f, nil, time.Time{})
	if j.counts.Stuck != 0 {
		t.Fatalf("%+v", j.counts)
	}
}

func TestJudgeGivesTimeAfterARestart(t *testing.T) {
	j := &judge{grace: 55 * time.Second}
	f := facts{Holder: "Ana"}
	for s := range 100 {
		j.look(at(float64(s)), f, nil, at(10))
	}
	if j.counts.Stuck != 1 {
		t.Fatalf("%+v", j.counts)
	}
	j = &judge{grace: 55 * time.Second}
	for s := range 65 {
		j.look(at(float64(s)), f, nil, at(10))
	}
	if j.counts.Stuck != 0 {
		t.Fatalf("%+v", j.counts)
	}
}

func TestJudgeCountsTwoWhoBelieve(t *testing.T) {
	j := &judge{}
	two := []tab{{ID: "1", Person: "Ana", Phase: phaseEditing}, {ID: "2", Person: "Ben", Phase: phaseEditing}}
	f := facts{Holder: "Ben"}
	j.look(at(0), f, two, time.Time{})
	j.look(at(.4), f, two, time.Time{}) // news on their way
	j.look(at(.45), f, two[:1], time.Time{})
	if j.counts.Double != 0 {
		t.Fatalf("%+v", j.counts)
	}
	j.look(at(1), f, two, time.Time{})
	j.look(at(1.5), f, two, time.Time{})
	j.look(at(9), f, two, time.Time{})
	if j.counts.Double != 1 || !j.double {
		t.Fatalf("%+v", j.counts)
	}
	two[0].Phase = phaseUnsure
	if j.look(at(10), f, two, time.Time{}); j.double {
		t.Fatal("a page that is not sure does not believe")
	}
}

func TestStories(t *testing.T) {
	ana := func(phase string) []tab {
		return []tab{{ID: "1", Person: "Ana", Phase: phase}, {ID: "2", Person: "Ben", Phase: phaseWaiting}}
	}
	held := facts{Holder: "Ana", Fence: 1763870000012345, Waiting: []string{"Ben"}}
	passed := facts{Holder: "Ben", Fence: 1763870000099999, Changes: []change{
		{Granted: 1763870000012345, Now: "Ana"},
		{Ended: 1763870000012345, Reason: "expired", Was: "Ana", Granted: 1763870000099999, Now: "Ben"},
	}}
	left := passed
	left.Changes = []change{{Ended: 1763870000012345, Reason: "left", Was: "Ana", Granted: 1763870000099999, Now: "Ben"}}
	free := facts{Changes: []change{{Ended: 1763870000012345, Reason: "left", Was: "Ana"}}}
	late := held
	late.Refused = &refusedSave{At: at(3), Name: "Ana", Code: "stale_fence", Fence: 1763870000012345, Seen: 1763870000099999}
	late.Changes = []change{{Granted: 1763870000012345, Now: "Ana"}, {Granted: 1763870000055555, Now: "Ben"}, {Granted: 1763870000099999, Now: "Ana"}}
	bens, lost := late, late
	bens.Changes, lost.Changes = []change{{Granted: 1763870000012345, Now: "Ana"}, {Granted: 1763870000099999, Now: "Ben"}}, nil
	f := fault{at: at(0), who: "Ana", holder: "Ana", fence: held.Fence, starts: 1}
	s := scene{up: true, starts: 1, ttl: 10 * time.Second, ping: usualPing, pong: usualPong}

	ben := func(f *fault, _ *scene) { f.who = "Ben" } // Ana's page was gone already
	alone := func(f *fault, _ *scene) { f.who, f.holder = "Ben", "" }
	nobody := func(f *fault, _ *scene) { f.who = "" }
	only := func(phase string) []tab { return []tab{{ID: "2", Person: "Ben", Phase: phase}} }

	for _, c := range []struct {
		kind   string
		facts  facts
		tabs   []tab
		change func(*fault, *scene)
		tone   string
		want   string
	}{
		{kind: faultKill, facts: held, tabs: ana(phaseUnsure), change: func(_ *fault, s *scene) { s.up = false }, tone: "busy", want: "being started again"},
		{kind: faultKill, facts: held, tabs: ana(phaseUnsure), change: func(_ *fault, s *scene) { s.starts = 2 }, tone: "busy", want: "within 4 s"},
		{kind: faultKill, facts: held, tabs: ana(phaseEditing), change: func(_ *fault, s *scene) { s.starts, s.down = 2, 1400*time.Millisecond }, tone: "good", want: "after 1.4 s. Ana’s page took its session up again: the same fence, …12345"},
		{kind: faultCut, facts: held, tabs: ana(phaseEditing), tone: "busy", want: "stop believing before the lease of 10 s ends"},
		{kind: faultCut, facts: held, tabs: ana(phaseUnsure), tone: "busy", want: "no longer believes"},
		{kind: faultCut, facts: held, tabs: ana(phaseEditing), change: func(f *fault, _ *scene) { f.restored = true }, tone: "good", want: "came back before the lease ended"},
		{kind: faultCut, facts: facts{Holder: "Ana", Fence: held.Fence, Lapsed: true, Waiting: []string{"Ben"}}, tabs: ana(phaseUnsure), tone: "busy", want: "After a pause of 3 s"},
		{kind: faultCut, facts: facts{Holder: "Ana", Fence: held.Fence, Lapsed: true}, tabs: ana(phaseUnsure), tone: "good", want: "Nobody waits: whoever asks first"},
		{kind: faultMalformed, facts: passed, tabs: ana(phaseUnsure), tone: "good", want: "The server shut out Ana’s page, and no other"},
		{kind: faultCut, facts: passed, tabs: ana(phaseUnsure), tone: "good", want: "Ana’s page stopped answering; its lease ended after 10 s and Ben was let in"},
		{kind: faultClose, facts: held, tabs: ana(phaseLost)[1:], tone: "busy", want: "shortened to 5 s"},
		{kind: faultClose, facts: left, tabs: ana("")[1:], tone: "good", want: "after the 5 s that a reload may take its lease ended and Ben was let in"},
		{kind: faultClose, facts: free, tone: "good", want: "Nobody waited, so the article is free."},
		{kind: faultReload, facts: held, tabs: ana(phaseEditing), tone: "good", want: "the same lock, the same fence …12345"},
		{kind: faultDuplicate, facts: held, tabs: ana(phaseEditing), tone: "good", want: "a session of its own"},
		{kind: faultMalformed, facts: held, tabs: ana(phaseEditing), tone: "good", want: "No lock changed"},
		{kind: faultStale, facts: held, tabs: ana(phaseEditing), tone: "busy", want: "held up"},
		{kind: faultStale, facts: late, tabs: ana(phaseEditing), tone: "good", want: "carried fence …12345; since then Ben edited, and Ana came back with …99999. It was refused with 409"},
		{kind: faultStale, facts: bens, tabs: ana(phaseLost), tone: "good", want: "carried fence …12345; since then Ben was let in, with …99999. It was"},
		{kind: faultStale, facts: lost, tabs: ana(phaseEditing), tone: "good", want: "the article had already seen …99999. It was"},
		{kind: faultReload, facts: held, tabs: only(phaseConnecting), change: ben, tone: "busy", want: "Ana, who held the article, has no page here any more, so it befell Ben’s. It said goodbye"},
		{kind: faultReload, facts: held, tabs: only(phaseWaiting), change: ben, tone: "good", want: "the same place in the line"},
		{kind: faultReload, facts: left, tabs: only(phaseEditing), change: ben, tone: "good", want: "its turn came"},
		{kind: faultReload, facts: facts{}, tabs: only(phaseReading), change: alone, tone: "good", want: "Nobody held the article, so it befell Ben’s page. It came back, and only looks on."},
		{kind: faultClose, facts: held, change: ben, tone: "busy", want: "its place in the line ends after"},
		{kind: faultClose, facts: free, change: ben, tone: "good", want: "The article is free."},
		{kind: faultClose, facts: held, tabs: only(phaseWaiting), change: ben, tone: "good", want: "Another tab of the same person goes on"},
		{kind: faultDuplicate, facts: held, tabs: only(phaseWaiting), change: ben, tone: "good", want: "asks for the article itself"},
		{kind: faultMalformed, facts: held, tabs: only(phaseWaiting), change: ben, tone: "good", want: "no place in the line changed"},
		{kind: faultCut, facts: held, tabs: only(phaseWaiting), change: ben, tone: "busy", want: "it cannot say that it is there"},
		{kind: faultCut, facts: passed, tabs: only(phaseEditing), change: ben, tone: "busy", want: "will stop believing"},
		{kind: faultCut, facts: held, tabs: only(phaseWaiting), change: func(f *fault, _ *scene) { f.who, f.restored = "Ben", true }, tone: "good", want: "The network is back"},
		{kind: faultReload, facts: held, change: nobody, tone: "quiet", want: "No page is open on this side"},
		{kind: faultMalformed, facts: held, tabs: ana(phaseUnsure), change: func(f *fault, _ *scene) { f.cutOff = true }, tone: "quiet", want: "Ana’s network is cut, so no message gets through"},
	} {
		t.Run(c.kind+" "+c.want, func(t *testing.T) {
			f, s := f, s
			f.kind, s.facts, s.tabs = c.kind, c.facts, c.tabs
			if c.change != nil {
				c.change(&f, &s)
			}
			got := tellEditlock(f, s)
			if got.Tone != c.tone || !strings.Contains(got.Text, c.want) {
				t.Fatalf("%+v", got)
			}
		})
	}
}

// The usual design's side says too why a button did nothing there, or to whom.
func TestUsualStoriesBesideTheHolder(t *testing.T) {
	s := scene{up: true, starts: 1, ping: usualPing, pong: usualPong, facts: facts{Holder: "Ben"}, tabs: []tab{{ID: "2", Person: "Ben", Phase: phaseEditing}}}
	for want, f := range map[string]fault{
		"No page is open on this side":                     {kind: faultReload, holder: "Ana"},
		"so it befell Ben’s":                               {kind: faultReload, who: "Ben", holder: "Ana"},
		"Nobody held the article, so it befell":            {kind: faultDuplicate, who: "Ben"},
		"Ben’s network is gone":                            {kind: faultCut, who: "Ben", holder: "Ana"},
		"has no page here any more, so it befell Ben’s":    {kind: faultCut, who: "Ben", holder: "Ana", restored: true},
		"Ben’s network is cut, so no message gets through": {kind: faultMalformed, who: "Ben", holder: "Ben", cutOff: true},
		"Nobody held the article at that moment":           {kind: faultKill},
		"Ben goes on editing":                              {kind: faultReload, who: "Ben", holder: "Ben"},
	} {
		if got := tellUsual(f, s); !strings.Contains(got.Text, want) {
			t.Errorf("%+v: %+v", f, got)
		}
	}
}

// A page that lost its socket with the server learns nothing from a ping: the row is stuck already.
func TestCutAfterAKill(t *testing.T) {
	s := scene{
		up: true, starts: 2, empty: 3 * time.Second, ping: usualPing, pong: usualPong,
		facts: facts{Holder: "Ana"}, tabs: []tab{{ID: "1", Person: "Ana", Phase: phaseLost, cut: true}},
	}
	for absent, want := range map[bool]telling{
		true:  {"bad", "locked_by still says Ana. Ana is not there, and nothing in this design will ever clear it."},
		false: {"busy", "locked_by says Ana. The server learns of the lost network by a ping that is not answered."},
	} {
		if got := tellUsual(fault{kind: faultCut, who: "Ana", holder: "Ana", absent: absent}, s); got != want {
			t.Errorf("absent %v: %+v", absent, got)
		}
	}
}

// Who waits is named in the order of the line, whatever the pages are called.
func TestWaitingInOrder(t *testing.T) {
	tabs := []tab{
		{ID: "a", Person: "Ben", Phase: phaseWaiting, Place: 2}, {ID: "b", Person: "Eve", Phase: phaseEditing},
		{ID: "c", Person: "Ana", Phase: phaseWaiting, Place: 1},
	}
	if got := named(make([]string, 3), tabs); !slices.Equal(got, []string{"Ana", "Ben", "somebody"}) {
		t.Error(got)
	}
}
