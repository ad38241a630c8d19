package lease

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// stage is one node, its store and its people, with virtual time: what a node does with the rules, at its
// smallest. Every step is judged as in the walk.
type stage struct {
	rules Rules
	lives Liveness
	clock time.Duration

	// The store.
	rev   int64
	data  []byte
	nodes map[string]NodeRecord
	life  map[string]int64 // revision of each node's record

	// The node. Killed, it loses all of this.
	up, frozen, storeDown bool
	node                  string
	starts                int
	state                 State
	w                     witness
	silences              Silences
	counted, renewed      time.Duration // when the last count was made, and the last renewal sent

	people  map[string]*person
	order   []string
	fences  []int64
	ends    map[int64]end
	history []string
}

type end struct {
	reason string
	over   time.Time
}

// person is a session: what its page does, and what the node and the store know of it.
type person struct {
	silent, deaf, ended bool
	last                Event
	answer              Answer
	node                string // in its record
	rev                 int64
	pulse               Pulse // in its node's memory
	over                bool
}

func newStage() *stage {
	s := &stage{
		rules: Default(), lives: DefaultLiveness(), rev: 1000,
		nodes: map[string]NodeRecord{}, life: map[string]int64{},
		people: map[string]*person{}, ends: map[int64]end{},
	}
	if err := s.start(); err != nil {
		panic(err)
	}
	return s
}

func (s *stage) now() time.Time { return epoch.Add(s.clock) }

func (s *stage) get(id string) *person {
	p := s.people[id]
	if p == nil {
		s.rev++
		p = &person{node: s.node, rev: s.rev, pulse: s.lives.Came(s.now())}
		s.people[id] = p
		s.order = append(s.order, id)
	}
	return p
}

func user(id string) string {
	name, _, _ := strings.Cut(id, "'")
	return name
}

func (s *stage) know(id string) Session {
	p := s.people[id]
	if p == nil {
		return Session{Over: true}
	}
	return Session{User: user(id), Name: user(id), Over: p.over || p.ended, Left: p.pulse.Left && p.node == s.node}
}

func (s *stage) fence(number string) int64 {
	if n, _ := strconv.Atoi(number); n > 0 && n <= len(s.fences) {
		return s.fences[n-1]
	}
	return 1
}

func (s *stage) ask(id string, e Event) error {
	e.Kind, e.Session, e.User, e.Name = Acquire, id, user(id), user(id)
	return s.send(e)
}

func (s *stage) release(id, number, version string) error {
	fence := int64(0)
	if h := s.state.HoldOf(id, ""); h != nil {
		fence = h.Fence
	}
	if number != "" {
		fence = s.fence(number)
	}
	return s.send(Event{Kind: Release, Session: id, Fence: fence, Version: version})
}

func (s *stage) end(id string, why Reason) error {
	p := s.get(id)
	p.ended = true
	_, err := s.apply(Event{Kind: End, Session: id, Reason: why})
	if err != nil {
		return err
	}
	return s.settle()
}

func (s *stage) bye(id string) error {
	p := s.get(id)
	p.silent = true
	if s.serving() {
		p.pulse = s.lives.ByeSeen(p.pulse, s.now())
	}
	return nil
}

// back resumes a session: one swap of its record, then an event for all that it has.
func (s *stage) back(id string) error {
	p := s.get(id)
	p.silent = false
	if !s.serving() {
		return fmt.Errorf("there is no server to come back to")
	}
	s.rev++
	p.node, p.rev, p.pulse, p.over = s.node, s.rev, s.lives.Came(s.now()), false
	return s.send(Event{Kind: Resume, Session: id})
}

func (s *stage) serving() bool { return s.up && !s.frozen && !s.storeDown }

// send does what a node does with a message, and what becomes due by it.
func (s *stage) send(e Event) error {
	p := s.get(e.Session)
	p.last = e
	if !s.serving() {
		return nil // lost
	}
	out, err := s.apply(e)
	if err != nil {
		return err
	}
	p.answer = out.Answer
	return s.settle()
}

func (s *stage) apply(e Event) (Outcome, error) {
	before := s.state.clone()
	after, out := s.rules.Step(s.state, e, s.know, s.now())
	if err := (transition{r: s.rules, w: s.w, before: before, e: e, know: s.know, now: s.now(), after: after, out: out}).judge(); err != nil {
		return out, err
	}
	if same(before, after) {
		return out, nil
	}
	data, err := Encode(after)
	if err != nil {
		return out, err
	}
	s.rev++
	for _, h := range after.Holds {
		if h.Lapsed && h.LapseRev == 0 {
			s.w.lapses[[2]int64{h.Fence, s.rev}] = e.Over
		}
	}
	s.data, s.state = data, after.At(s.rev)
	s.w.saw(s.state, s.now())
	if c := out.Change; c != nil {
		line := ""
		if c.Ended != nil {
			s.ends[c.Ended.Fence] = end{string(c.Ended.Reason), c.Ended.Over}
			line = fmt.Sprintf("#%d of %s ended: %s ", slices.Index(s.fences, c.Ended.Fence)+1, c.Ended.Session, c.Ended.Reason)
		}
		if c.Granted != nil {
			s.fences = append(s.fences, s.rev)
			line += fmt.Sprintf("#%d to %s", len(s.fences), c.Granted.Session)
		}
		s.history = append(s.history, strings.TrimSpace(line))
	}
	if out.More {
		_, err = s.apply(e)
	}
	return out, err
}

// settle does what is due, and lets pages confirm what they were granted.
func (s *stage) settle() error {
	for {
		next := s.rules.Next(s.state, s.know)
		if !next.IsZero() && !next.After(s.now()) {
			if _, err := s.apply(Event{Kind: Look}); err != nil {
				return err
			}
			continue
		}
		i := slices.IndexFunc(s.state.Holds, func(h Hold) bool {
			p := s.people[h.Session]
			return !h.Confirmed && !p.silent && !p.deaf
		})
		if i < 0 {
			return settled(s.rules, s.state, s.know, s.now())
		}
		h := s.state.Holds[i]
		if _, err := s.apply(Event{Kind: Confirm, Session: h.Session, Part: h.Part, Fence: h.Fence}); err != nil {
			return err
		}
	}
}

// start starts a node on what the store has.
func (s *stage) start() error {
	s.starts++
	s.up, s.frozen, s.node, s.state, s.w = true, false, fmt.Sprintf("node%d", s.starts), State{}, newWitness()
	s.rev++
	s.nodes[s.node], s.life[s.node] = NodeRecord{}, s.rev
	s.counted, s.renewed = s.clock, s.clock
	s.silences = s.lives.Count(s.lives.TakeUp(s.view(), s.nodes), s.view(), s.rev, 0)
	if s.data != nil {
		st, err := Decode(s.data, s.rev, State{}, s.now())
		if err != nil {
			return err
		}
		s.state = st
		s.w.saw(st, s.now())
	}
	return s.settle()
}

func (s *stage) view() map[string]int64 {
	view := map[string]int64{}
	for id, n := range s.nodes {
		if id != s.node {
			view[id] = n.Life(s.life[id])
		}
	}
	return view
}

func (s *stage) pass(d time.Duration) error {
	for end := s.clock + d; s.clock < end; {
		if err := s.tick(250 * time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// tick lets time pass; a node that can renews its life every 2 s and then sweeps.
func (s *stage) tick(d time.Duration) error {
	s.clock += d
	if !s.serving() {
		return nil
	}
	for _, p := range s.people {
		if p.node == s.node && !p.silent && !p.ended && s.clock%(2*time.Second) == 0 {
			p.pulse = s.lives.Heard(p.pulse, s.now())
		}
	}
	if s.clock-s.renewed >= 2*time.Second {
		if s.lives.Gap(epoch.Add(s.renewed), s.now()) {
			for _, p := range s.people {
				p.pulse = s.lives.Afresh(p.pulse, s.now())
			}
			s.state = s.state.Afresh(s.now())
			s.w.afresh(s.now())
		}
		s.rev++
		s.life[s.node] = s.rev
		s.silences = s.lives.Count(s.silences, s.view(), s.rev, s.clock-s.counted)
		s.nodes[s.node] = NodeRecord{Silences: s.silences}
		s.renewed, s.counted = s.clock, s.clock
	}
	var over []Event // all are known to be over before the first is dealt with: nobody of them is let in
	for _, id := range s.order {
		p := s.people[id]
		if p.ended || p.over {
			continue
		}
		e := Event{Kind: Lapse, Session: id, Over: s.now()}
		if p.node == s.node {
			p.over = p.pulse.Over(s.now())
			e.Over = p.pulse.Deadline
			if p.pulse.Left {
				e.Kind, e.Reason = End, Left
				p.ended = p.over
			}
		} else {
			p.over = s.lives.Left(s.silences[p.node], p.rev, s.lives.TTL) <= 0
			e.Over = s.now().Add(-s.rules.Pause)
			if p.over {
				s.nodes[p.node] = s.nodes[p.node].End(s.life[p.node])
			}
		}
		if p.over {
			over = append(over, e)
		}
	}
	for _, e := range over {
		if _, err := s.apply(e); err != nil {
			return err
		}
	}
	return s.settle()
}

// where says where a session stands, in the words of the scripts.
func (s *stage) where(id string) string {
	for _, h := range s.state.Holds {
		if h.Session != id {
			continue
		}
		n := slices.Index(s.fences, h.Fence) + 1
		switch {
		case h.Lapsed:
			return fmt.Sprintf("%s's hold #%d has lapsed", id, n)
		case h.Confirmed:
			return fmt.Sprintf("%s holds with #%d", id, n)
		}
		return fmt.Sprintf("%s is granted #%d", id, n)
	}
	for i, w := range s.state.Queue {
		if w.Session == id {
			if w.Absent {
				return fmt.Sprintf("%s is skipped, number %d in line", id, i+1)
			}
			return fmt.Sprintf("%s waits, number %d in line", id, i+1)
		}
	}
	return id + " is not there"
}

func (s *stage) describe() string {
	var all []string
	for _, id := range s.order[:min(len(s.order), 10)] {
		all = append(all, s.where(id))
	}
	return fmt.Sprintf("%v: %s", s.clock, strings.Join(all, "; "))
}
