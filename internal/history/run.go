package history

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

const (
	second = int64(1e9)
	never  = math.MaxInt64 / 4
	// slack is for reading two clocks one after the other, and for what a clock that is kept right is moved meanwhile.
	slack = second / 20
)

// Op is a request and its answer.
type Op struct {
	Line           // as it was asked
	Return int64   // never: there was no answer
	Answer *Line   // nil: none
	asks   *conn   // on which it was asked
	of     session // whose it is; of a hello, whose it was to be
}

type session = string

// ok reports whether it was done.
func (o *Op) ok() bool { return o.Answer != nil && o.Answer.Code == "ok" }

// conn is a connection.
type conn struct {
	number   int64
	client   string
	session  session
	port     int
	from     int64 // its hello was sent
	welcomed int64 // never: it was not
	lastUp   int64 // nothing of it reached the server later
}

// span is a time in which something was so.
type span struct{ from, to int64 }

// life is one process of the server.
type life struct {
	spawn, ready, exit int64
	stops              []span
	killed             bool
}

// hold is what a client believed of a grant, as pieces of time.
type hold struct {
	client, resource string
	session          session
	fence            int64
	pieces           []span
}

// seen is a snapshot that a client was given: by an answer between two moments, or by a push until one.
type seen struct {
	Snap
	call, at int64
	push     bool
	op       *Op
	session  session
	client   string
	conn     *conn // of a push: it may come before the welcome
}

// change is an entry of the server's history, at this run's clock.
type change struct {
	*Change
	at int64
}

// resource is all about one resource.
type resource struct {
	name    string
	changes []change          // by revision
	ops     []*Op             // by the moment of asking
	seen    []seen            // by the moment of receipt
	told    map[session][]int // which of seen are of a session
	holds   []*hold
	app     []Line
}

// run is a history, put in order.
type run struct {
	seed      uint64
	ttl       int64
	begin     int64
	end       int64
	calm      int64
	clocks    []Line
	stalls    []span
	faults    []Line
	lives     []*life
	ops       []*Op
	conns     map[int64]*conn
	heard     map[session][]Line
	resources map[string]*resource
	stuck     []Line
	at        map[string][]*conn // connections by client
	dead      map[string]int64
	bySession map[session][]*Op
}

// order puts lines in order. They are as they were written down: those of one process in order, and a call before its return.
func order(lines []Line) (*run, error) {
	r := &run{calm: never, conns: map[int64]*conn{}, heard: map[session][]Line{}, resources: map[string]*resource{},
		at: map[string][]*conn{}, dead: map[string]int64{}, bySession: map[session][]*Op{}}
	asked := map[int64]*Op{}
	last := map[string]session{} // of each client
	open := map[string]*hold{}
	ports := map[int]*conn{}
	given := map[string]int64{} // what each client released last
	for i := range lines {
		l := &lines[i]
		r.end = max(r.end, l.T, l.Until)
		switch l.Kind {
		case Begin:
			r.seed, r.ttl, r.begin = l.Seed, l.TTL, l.T
		case Call:
			r.call(l, asked, last, ports)
			if l.Name == "release" {
				given[l.Client] = l.Fence
				if h := open[l.Client+" "+l.Resource]; h != nil && h.fence == l.Fence {
					r.unhold(open, l.Client+" "+l.Resource, l.T)
				}
			}
		case Return:
			o := asked[l.Op]
			if o == nil {
				return nil, fmt.Errorf("history: an answer to nothing: %+v", *l)
			}
			if l.Code == "lost" {
				break
			}
			o.Answer, o.Return = l, l.T
			r.answered(o, last)
		case Push:
			r.see(l.Snap, seen{call: l.T, at: l.T, push: true, session: l.Session, client: l.Client, conn: r.conns[l.Conn]})
		case Heard:
			r.heard[l.Session] = append(r.heard[l.Session], *l)
			for _, h := range open {
				if h.client == l.Client && h.session == l.Session {
					h.pieces = append(h.pieces, span{l.T, l.Until})
				}
			}
		case Hold:
			if given[l.Client] == l.Fence {
				break // it has asked for its end, and believes no more
			}
			h := &hold{client: l.Client, session: l.Session, resource: l.Resource, fence: l.Fence, pieces: []span{{l.T, l.Until}}}
			open[l.Client+" "+l.Resource] = h
			r.resource(l.Resource).holds = append(r.resource(l.Resource).holds, h)
		case Unhold:
			r.unhold(open, l.Client+" "+l.Resource, l.T)
		case Dead:
			r.dead[l.Client] = l.T
			for key := range open {
				if strings.HasPrefix(key, l.Client+" ") {
					r.unhold(open, key, l.T)
				}
			}
			delete(last, l.Client)
		case Port:
			if c := ports[l.Port]; c != nil {
				c.lastUp = l.T
				delete(ports, l.Port)
			}
		default:
			r.rest(l)
		}
	}
	for _, res := range r.resources {
		slices.SortStableFunc(res.ops, func(a, b *Op) int { return cmp.Compare(a.T, b.T) })
		slices.SortStableFunc(res.seen, func(a, b seen) int { return cmp.Compare(a.at, b.at) })
		res.told = map[session][]int{}
		for i := range res.seen {
			s := &res.seen[i]
			if s.session == "" && s.conn != nil {
				s.session = s.conn.session
			}
			res.told[s.session] = append(res.told[s.session], i)
		}
		slices.SortFunc(res.changes, func(a, b change) int { return cmp.Compare(a.Rev, b.Rev) })
		for i := range res.changes {
			res.changes[i].at = r.mono(res.changes[i].At)
		}
	}
	return r, nil
}

func (r *run) rest(l *Line) {
	switch l.Kind {
	case App:
		r.resource(l.Resource).app = append(r.resource(l.Resource).app, *l)
	case Fault:
		r.faults = append(r.faults, *l)
	case Server:
		r.server(l)
	case Stall:
		r.stalls = append(r.stalls, span{l.T, l.Until})
	case Clock:
		r.clocks = append(r.clocks, *l)
	case Entry:
		res := r.resource(l.Resource)
		res.changes = append(res.changes, change{Change: l.Change})
	case Calm:
		r.calm = l.T
	case Stuck:
		r.stuck = append(r.stuck, *l)
	}
}

func (r *run) resource(name string) *resource {
	res := r.resources[name]
	if res == nil {
		res = &resource{name: name}
		r.resources[name] = res
	}
	return res
}

func (r *run) unhold(open map[string]*hold, key string, t int64) {
	h := open[key]
	if h == nil {
		return
	}
	for i := range h.pieces {
		h.pieces[i].to = min(h.pieces[i].to, t)
	}
	delete(open, key)
}

func (r *run) call(l *Line, asked map[int64]*Op, last map[string]session, ports map[int]*conn) {
	o := &Op{Line: *l, Return: never, of: l.Session}
	asked[l.Op] = o
	if l.Name == "hello" || l.Name == "reuse" {
		if r.conns[l.Conn] == nil {
			c := &conn{number: l.Conn, client: l.Client, port: l.Port, from: l.T, welcomed: never, lastUp: never}
			r.conns[l.Conn], ports[l.Port] = c, c
			r.at[l.Client] = append(r.at[l.Client], c)
		}
		if l.Text != "begin" {
			o.of = last[l.Client]
		}
		r.conns[l.Conn].session = o.of // for the time being
	}
	o.asks = r.conns[l.Conn]
	r.ops = append(r.ops, o)
	if l.Resource != "" {
		r.resource(l.Resource).ops = append(r.resource(l.Resource).ops, o)
	}
	if o.of != "" {
		r.bySession[o.of] = append(r.bySession[o.of], o)
	}
}

func (r *run) answered(o *Op, last map[string]session) {
	l := o.Answer
	if o.Name == "hello" && o.ok() {
		o.asks.session, o.asks.welcomed = l.Session, l.T
		last[o.Client] = l.Session
		if l.Session != o.of {
			r.bySession[l.Session] = append(r.bySession[l.Session], o)
		}
		for i := range l.Snaps {
			r.see(&l.Snaps[i], seen{call: o.T, at: l.T, op: o, session: l.Session, client: l.Client})
		}
	}
	if l.Snap != nil {
		r.see(l.Snap, seen{call: o.T, at: l.T, op: o, session: o.of, client: l.Client})
	}
}

func (r *run) see(s *Snap, at seen) {
	at.Snap = *s
	res := r.resource(s.Resource)
	res.seen = append(res.seen, at)
}

func (r *run) server(l *Line) {
	if l.Name == "spawn" {
		r.lives = append(r.lives, &life{spawn: l.T, ready: never, exit: never})
		return
	}
	if len(r.lives) == 0 {
		return
	}
	v := r.lives[len(r.lives)-1]
	switch l.Name {
	case "ready":
		v.ready = l.T
	case "kill", "term":
		v.killed = true
	case "exit":
		v.exit = l.T
	case "stop":
		v.stops = append(v.stops, span{l.T, never})
	case "cont":
		if n := len(v.stops); n > 0 {
			v.stops[n-1].to = l.T
		}
	}
}

// mono is a moment of the wall clock, in microseconds, at this run's clock.
func (r *run) mono(wall int64) int64 {
	i, _ := slices.BinarySearchFunc(r.clocks, wall, func(c Line, w int64) int { return cmp.Compare(c.Wall, w) })
	if i == len(r.clocks) {
		i--
	}
	if i < 0 {
		return wall * 1000
	}
	return r.clocks[i].T + (wall-r.clocks[i].Wall)*1000
}

// stalled is for how long within a time the machine did not let us run.
func (r *run) stalled(from, to int64) int64 {
	var sum int64
	for _, s := range r.stalls {
		sum += max(0, min(s.to, to)-max(s.from, from))
	}
	return sum
}

// uptime is for how long within a time the server ran.
func (r *run) uptime(from, to int64) int64 {
	var sum int64
	for _, v := range r.lives {
		sum += max(0, min(v.exit, to)-max(v.spawn, from))
		for _, s := range v.stops {
			sum -= max(0, min(s.to, v.exit, to)-max(s.from, from))
		}
	}
	return sum
}
