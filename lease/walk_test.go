package lease

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

var (
	walkSeed  = flag.Int64("walk.seed", 0, "walk with this seed alone; negative: one drawn at random")
	walkSteps = flag.Int("walk.steps", stepsByDefault, "steps of the walk, over all seeds")
)

// TestWalk sends sessions and messages at random through the rules, and judges every step. Messages get
// lost, come late and twice; sessions fall silent, come back, leave and end; two processes with different clocks
// write in turn, stop and start; free records are deleted.
//
// Faults: Q1, Q2, Q3, Q4, Q7, B7, B12
func TestWalk(t *testing.T) {
	const legs = 22
	seeds := make(chan int64, legs)
	steps := *walkSteps
	switch {
	case *walkSeed < 0:
		seeds <- rand.Int64()
	case *walkSeed > 0:
		seeds <- *walkSeed
	default:
		for i := range legs {
			seeds <- int64(i + 1)
		}
		steps /= legs
	}
	close(seeds)
	var mu sync.Mutex
	total := map[string]int{}
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for seed := range seeds {
				w := newWalk(seed)
				err := w.run(steps)
				mu.Lock()
				for k, n := range w.seen {
					total[k] += n
				}
				if err != nil {
					last := ""
					for _, l := range w.log {
						last += fmt.Sprintln(l)
					}
					t.Errorf("%v\n\nlast events:\n%s\nto repeat: go test ./lease -run TestWalk -walk.seed=%d -walk.steps=%d", err, last, seed, steps)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if t.Failed() || *walkSeed != 0 {
		return
	}
	// All that the rules know has been seen, and often.
	want := []string{"restart", "outage", "deleted", "more", "left for a look", "here"}
	for k := range kinds {
		want = append(want, k.String()+" in time")
		if k != Look && k != Acquire {
			want = append(want, k.String()+" late")
		}
	}
	want = append(want, "acquire late")
	for a := Done; a <= QueueFull; a++ {
		want = append(want, answers[a])
	}
	for _, r := range []Reason{Released, Left, HandedOver, Idle, Expired, Unconfirmed, TakenOver, Forced, Revoked, LoggedOut} {
		want = append(want, string(r))
	}
	for _, k := range want {
		if total[k] < *walkSteps/4000 {
			t.Errorf("%s was seen %d times only in %d steps", k, total[k], *walkSteps)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(total)) {
		t.Logf("%9d %s", total[k], k)
	}
}

// process is a node as far as the rules see it.
type process struct {
	skew  time.Duration // of its wall clock
	state State
	rev   int64
	w     witness
}

// message is an event under way. An event that speaks of time does so by true time.
type message struct {
	e    Event
	over time.Duration
}

type walk struct {
	*rand.Rand
	rules   Rules
	clock   time.Duration // true time
	procs   [2]*process
	data    []byte // the store
	rev     int64
	fence   int64 // the largest granted
	facts   map[string]Session
	fate    map[string]Event // of sessions that are over: what the sweep says
	ids     []string         // of sessions that are not over for good
	made    int
	steps   int
	parts   []string
	pending []message
	seen    map[string]int
	log     []entry
}

var epoch = time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)

func newWalk(seed int64) *walk {
	w := &walk{Rand: rand.New(rand.NewPCG(uint64(seed), 0x6564_6974)), seen: map[string]int{}, rev: 1 << 40}
	for i := range w.procs {
		w.procs[i] = w.start()
	}
	return w
}

func (w *walk) start() *process {
	return &process{skew: time.Duration(w.IntN(7200)-3600) * time.Second, w: newWitness()}
}

func (p *process) now(clock time.Duration) time.Time { return epoch.Add(p.skew + clock) }

func (w *walk) run(steps int) error {
	for turn := 0; w.steps < steps; turn++ {
		if turn%2000 == 0 {
			w.scene()
		}
		if err := w.step(); err != nil {
			return fmt.Errorf("step %d: %w", w.steps, err)
		}
	}
	return nil
}

// scene changes the setting: how many sessions, whether parts are held, how long the queue may be.
func (w *walk) scene() {
	w.rules = Default()
	w.rules.Queue = []int{2, 4, 200, 200}[w.IntN(4)]
	w.parts = []string{""}
	if w.IntN(2) == 0 {
		w.parts = []string{"", "title", "body", "tags"}
	}
	w.facts, w.fate, w.ids, w.pending = map[string]Session{}, map[string]Event{}, nil, nil
	w.data = nil
	for _, p := range w.procs {
		p.state, p.rev = State{}, 0
	}
	for range 2 + w.IntN(2+6*w.IntN(2)) {
		w.session()
	}
}

func (w *walk) session() {
	w.made++
	id, u := fmt.Sprintf("s%d", w.made), w.IntN(4)
	w.facts[id] = Session{User: fmt.Sprintf("u%d", u), Name: fmt.Sprintf("User %d", u), Here: w.IntN(5) == 0}
	w.ids = append(w.ids, id)
}

func (w *walk) know(id string) Session {
	if k, ok := w.facts[id]; ok {
		return k
	}
	return Session{Over: true}
}

func (w *walk) step() error {
	w.pass()
	p := w.procs[w.IntN(2)]
	if w.IntN(500) == 0 {
		*p = *w.start()
		w.seen["restart"]++
	}
	if w.IntN(200) == 0 && p.rev == w.rev { // an outage
		w.clock += time.Minute
		now := p.now(w.clock)
		p.state = p.state.Afresh(now)
		p.w.afresh(now)
		w.seen["outage"]++
	}
	if w.IntN(3) == 0 {
		w.live()
	}
	if err := w.sync(p); err != nil {
		return err
	}
	if w.IntN(8) == 0 {
		return w.settle(p)
	}
	if w.IntN(8) == 0 {
		return w.sweep(p)
	}
	var fold []message
	for range 1 + w.IntN(3) {
		fold = append(fold, w.next(p))
	}
	return w.swap(p, fold)
}

// pass lets time pass.
func (w *walk) pass() {
	switch n := w.IntN(1000); {
	case n < 500:
	case n < 900:
		w.clock += time.Duration(w.IntN(800)) * time.Millisecond
	case n < 990:
		w.clock += time.Duration(w.IntN(12)) * time.Second
	case n < 998:
		w.clock += time.Minute
	default:
		w.clock += 11 * time.Minute
	}
}

// live changes what becomes of sessions, and lets them speak.
func (w *walk) live() {
	i := w.IntN(len(w.ids))
	id := w.ids[i]
	k := w.facts[id]
	switch n := w.IntN(100); {
	case n < 8 && !k.Over: // falls silent; the sweep says so until it is done
		k.Over = true
		w.fate[id] = Event{Kind: Lapse, Session: id}
		w.pending = append(w.pending, message{w.fate[id], w.clock - time.Duration(w.IntN(4000))*time.Millisecond})
	case n < 60 && k.Over, n < 60 && k.Left:
		k.Over, k.Left = false, false
		w.pending = append(w.pending, message{e: Event{Kind: Resume, Session: id}})
	case n >= 60 && n < 63:
		k.Left = true
	case n >= 63 && n < 73: // ends
		why := []Reason{Left, Idle, TakenOver, Forced, Revoked, LoggedOut}[w.IntN(6)]
		k.Over = true
		w.fate[id] = Event{Kind: End, Session: id, Reason: why}
		w.pending = append(w.pending, message{e: w.fate[id]})
		w.ids = slices.Delete(w.ids, i, i+1)
		w.session()
	}
	w.facts[id] = k
	if len(w.pending) > 60 { // some are lost
		w.pending = slices.Delete(w.pending, 0, 20)
	}
}

// next is what a process hears next: something new, something late, or something again.
func (w *walk) next(p *process) message {
	if len(w.pending) > 0 && w.IntN(3) == 0 {
		i := len(w.pending) - 1
		if w.IntN(2) == 0 {
			i = w.IntN(len(w.pending))
		}
		m := w.pending[i]
		if w.IntN(3) > 0 {
			w.pending = slices.Delete(w.pending, i, i+1)
		}
		return m
	}
	id := w.ids[w.IntN(len(w.ids))]
	part := ""
	if w.IntN(3) > 0 {
		part = w.parts[w.IntN(len(w.parts))]
	}
	k := w.facts[id]
	e := Event{Kind: Acquire, Session: id, User: k.User, Name: k.Name, Part: part}
	if len(p.state.Holds) > 0 && w.IntN(2) == 0 {
		h := p.state.Holds[w.IntN(len(p.state.Holds))]
		e.Session, e.User, e.Part, e.Fence = h.Session, h.User, h.Part, h.Fence
		if w.IntN(20) == 0 {
			e.Fence += int64(w.IntN(3) - 1)
		}
	}
	switch n := w.IntN(100); {
	case n < 30:
		e.NoWait, e.Move = w.IntN(4) == 0, w.IntN(6) == 0
	case n < 55:
		e.Kind = Confirm
	case n < 62:
		e.Kind, e.Version = Release, fmt.Sprint("v", w.IntN(9))
	case n < 65:
		e.Kind = Cancel
	case n < 70:
		e.Kind, e.Version = Changed, fmt.Sprint("v", w.IntN(9))
		if w.IntN(4) == 0 {
			e.Session, e.Fence = "", 0
		}
	case n < 75:
		e.Kind = Resume
	case n < 78:
		e.Kind = Lapse // a sweep that was wrong
	case n < 80:
		e.Kind, e.Session, e.User, e.Name, e.Text = Force, "", "admin", "The administrator", "she is on holiday"
	default:
		e = Event{Kind: Look}
	}
	m := message{e, w.clock}
	if e.Kind != Look && w.IntN(4) == 0 {
		w.pending = append(w.pending, m)
	}
	return m
}

// sync lets p read the store.
func (w *walk) sync(p *process) error {
	if p.rev == w.rev {
		return nil
	}
	now := p.now(w.clock)
	if w.data == nil {
		p.state, p.rev = State{}, w.rev
		return nil
	}
	s, err := Decode(w.data, w.rev, p.state, now)
	if err != nil {
		return err
	}
	p.state, p.rev = s, w.rev
	p.w.saw(s, now)
	return nil
}
