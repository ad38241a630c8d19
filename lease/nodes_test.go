package lease

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// TestNodes lets several nodes share a store, with everything going wrong that may: nodes are stopped for up to
// two minutes and go on, are killed and restarted, the store fails, swaps take up to a minute and a half to arrive,
// clients move between nodes and vanish. No session may be ended before what was last acknowledged to its client has run
// out; and once all is calm, the sessions of those who vanished are ended, and no others.
//
// Faults: N1, N2, N4, N5
func TestNodes(t *testing.T) {
	var ended, nodes, late int
	for seed := range uint64(150) {
		s := &sim{
			Rand: rand.New(rand.NewPCG(seed, 7)), l: DefaultLiveness(),
			records: map[string]NodeRecord{}, revs: map[string]int64{}, sessions: map[int]*simSession{},
		}
		if seed%3 == 1 {
			s.l.TTL = 10 * time.Second
		}
		for range 3 {
			s.nodes = append(s.nodes, &simNode{s: s})
		}
		for i := range 12 {
			s.sessions[i] = &simSession{id: i, acked: -time.Hour, alive: true}
		}
		for _, n := range s.nodes {
			s.at(0, n.start)
		}
		for i := range len(s.sessions) {
			s.at(time.Second, func() { s.client(s.sessions[i]) })
		}
		s.at(5*time.Second, s.trouble)
		s.calm = 20 * time.Minute
		end := s.calm + 5*time.Minute
		for len(s.jobs) > 0 && s.now < end && s.broken == "" {
			j := heap.Pop(&s.jobs).(job)
			s.now = j.at
			j.do()
		}
		for _, c := range s.sessions {
			if s.broken == "" && !c.alive && !c.gone && c.rev > 0 {
				s.broken = fmt.Sprintf("session %d was never ended, at node %q", c.id, c.node)
			}
		}
		if s.broken != "" {
			t.Fatalf("seed %d, at %v: %s", seed, s.now, s.broken)
		}
		ended, nodes, late = ended+s.ended, nodes+s.nodesEnded, late+s.late
	}
	t.Logf("%d sessions ended, %d nodes, %d late swaps", ended, nodes, late)
	if ended < 300 || nodes < 100 || late < 3000 {
		t.Error("too little happened")
	}
}

type sim struct {
	*rand.Rand
	l        Liveness
	now      time.Duration
	calm     time.Duration // no trouble from then on
	jobs     jobs
	rev      int64
	down     bool
	records  map[string]NodeRecord // the store: nodes
	revs     map[string]int64
	sessions map[int]*simSession // the store: sessions, and their clients
	nodes    []*simNode
	starts   int
	broken   string

	ended, nodesEnded, late int
}

// simSession is a session's record, and beside it its client.
type simSession struct {
	id    int
	node  string
	rev   int64
	gone  bool
	alive bool
	at    *simNode      // where the client is connected
	acked time.Duration // when it sent what was acknowledged last
}

type job struct {
	at time.Duration
	n  int
	do func()
}
type jobs []job

func (j jobs) Len() int           { return len(j) }
func (j jobs) Less(a, b int) bool { return j[a].at < j[b].at || j[a].at == j[b].at && j[a].n < j[b].n }
func (j jobs) Swap(a, b int)      { j[a], j[b] = j[b], j[a] }
func (j *jobs) Push(x any)        { *j = append(*j, x.(job)) }
func (j *jobs) Pop() any {
	old := *j
	last := old[len(old)-1]
	*j = old[:len(old)-1]
	return last
}

func (s *sim) at(after time.Duration, do func()) {
	s.rev++ // any number that rises will do to keep the order
	heap.Push(&s.jobs, job{s.now + after, int(s.rev), do})
}

func (s *sim) time() time.Time { return epoch.Add(s.now) }

// delay is how long something is under way.
func (s *sim) delay() time.Duration {
	d := time.Duration(s.IntN(50)) * time.Millisecond
	if s.now < s.calm && s.IntN(40) == 0 {
		s.late++
		d = time.Duration(s.IntN(90_000)) * time.Millisecond
	}
	return d
}

// swap sends f to the store, which does it unless it is down, and then the outcome to the node.
func (n *simNode) swap(f func() bool, done func(ok bool)) {
	gen := n.gen
	n.s.at(n.s.delay(), func() {
		ok := !n.s.down && !n.cut && f()
		n.s.at(n.s.delay(), func() { n.run(gen, func() { done(ok) }) })
	})
}

func (s *sim) next() int64 { s.rev++; return s.rev }

func (s *sim) client(c *simSession) {
	if !c.alive {
		return
	}
	if c.gone { // a new session
		c.gone, c.node, c.rev, c.acked = false, "", 0, -time.Hour
	}
	if c.at == nil || s.now-c.acked > s.l.TTL*6/10 || s.now < s.calm && s.IntN(30) == 0 {
		s.nodes[s.IntN(len(s.nodes))].resume(c)
	}
	if c.at != nil { // also while it moves: it keeps the old connection until another node has resumed it
		c.at.heard(c)
	}
	if s.now < s.calm && s.now > s.calm/2 && s.IntN(300) == 0 {
		c.alive = false
	}
	s.at(s.l.TTL/4+time.Duration(s.IntN(1000))*time.Millisecond, func() { s.client(c) })
}

func (s *sim) trouble() {
	if s.now >= s.calm {
		s.down = false
		for _, n := range s.nodes {
			if n.dead {
				n.start()
			}
			n.stopped, n.cut, n.blind = 0, false, false
		}
		return
	}
	n := s.nodes[s.IntN(len(s.nodes))]
	switch s.IntN(10) {
	case 0:
		n.stopped = s.now + time.Duration(s.IntN(120))*time.Second
	case 1:
		n.dead, n.gen = true, n.gen+1
	case 2:
		s.down = true
	case 3, 4:
		s.down = false
	case 5:
		n.cut = !n.cut
	case 6:
		n.blind = !n.blind
	case 7:
		n.cut, n.blind = false, false
	default:
		if n.dead {
			n.start()
		}
	}
	s.at(time.Duration(s.IntN(40))*time.Second, s.trouble)
}
