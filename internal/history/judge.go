package history

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// Accusation is a promise that a history shows to be broken.
type Accusation struct {
	Promise  string
	Resource string
	At       int64 // moment of the run
	Text     string
}

// Verdict is what became of a history.
type Verdict struct {
	Seed        uint64
	Length      time.Duration  // from the beginning to the last fault
	Counts      map[string]int // what was judged, by kind: a promise that nothing tried is not shown
	Accusations []Accusation
}

// judge judges a run.
type judge struct {
	*run
	counts map[string]int
	found  []Accusation
	visual func(resource string, info porcupine.LinearizationInfo)
}

func (j *judge) count(what string, n int) { j.counts[what] += n }

func (j *judge) accuse(promise string, res *resource, at int64, format string, args ...any) {
	name := ""
	if res != nil {
		name = res.name
	}
	j.found = append(j.found, Accusation{promise, name, at, fmt.Sprintf(format, args...)})
}

// Check judges a history. visual, if it is not nil, is given porcupine's account of a resource that is not linearizable.
func Check(lines []Line, visual func(resource string, info porcupine.LinearizationInfo)) (*Verdict, error) {
	r, err := order(lines)
	if err != nil {
		return nil, err
	}
	j := &judge{run: r, counts: map[string]int{}, visual: visual}
	names := make([]string, 0, len(r.resources))
	for name := range r.resources {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		res := r.resources[name]
		j.oneEntryEach(res)
		j.agreed(res)
		j.linearizable(res)
		j.monotone(res)
		j.ends(res)
		j.beliefs(res)
		j.silences(res)
		j.handOvers(res)
		j.queues(res)
		j.content(res)
	}
	j.connections()
	j.resumes()
	j.servers()
	j.load()
	slices.SortStableFunc(j.found, func(a, b Accusation) int { return cmp.Compare(a.At, b.At) })
	return &Verdict{r.seed, time.Duration(min(r.calm, r.end) - r.begin), j.counts, j.found}, nil
}

// load counts what there was.
func (j *judge) load() {
	for _, f := range j.faults {
		j.count("faults", 1)
		j.count("fault "+f.Name, 1)
	}
	for _, o := range j.ops {
		j.count("requests", 1)
		switch {
		case o.Answer == nil:
			j.count("requests without an answer", 1)
		case o.Name == "hello" && o.ok() && o.Answer.Resumed:
			j.count("resumes", 1)
		case o.Name == "reuse" && o.Answer.Code == "resume_reused":
			j.count("reused resume tokens refused", 1)
		case o.Name == "confirm" && o.Answer.Code == "stale_fence":
			j.count("late confirmations refused", 1)
		}
	}
	for _, res := range j.resources {
		for _, c := range res.changes {
			j.count("changes of holder", 1)
			if c.Granted != nil {
				j.count("grants", 1)
			}
			if c.Ended != nil {
				j.count("ended "+c.Ended.Reason, 1)
				if c.Granted != nil {
					j.count("grants to one who waited", 1)
				}
			}
		}
	}
	j.count("lives of the server", len(j.lives))
	j.count("stalls of the machine, ms", int(j.stalled(0, never)/1e6))
}

// Void says what a run had too little of, for how long it lasted: what was not tried was not shown. Least says how much
// there has to be, by what Verdict.Counts counts.
func (v *Verdict) Void(least map[string]int) []string {
	var lacks []string
	for what, n := range least {
		if v.Counts[what] < n {
			lacks = append(lacks, fmt.Sprintf("%s: %d, at least %d are needed", what, v.Counts[what], n))
		}
	}
	slices.Sort(lacks)
	return lacks
}

// String is the whole verdict, for people.
func (v *Verdict) String() string {
	var b strings.Builder
	keys := make([]string, 0, len(v.Counts))
	for k := range v.Counts {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	_, _ = fmt.Fprintf(&b, "seed %d, faults for %v\n", v.Seed, v.Length.Round(time.Second))
	for _, k := range keys {
		_, _ = fmt.Fprintf(&b, "%8d %s\n", v.Counts[k], k)
	}
	_, _ = fmt.Fprintf(&b, "%8d violations\n", len(v.Accusations))
	for _, a := range v.Accusations {
		_, _ = fmt.Fprintf(&b, "%s, %s, at %.3f s: %s\n", a.Promise, a.Resource, float64(a.At)/1e9, a.Text)
	}
	return b.String()
}

// Story is what is known about a resource, and about what befell the server, around a moment.
func Story(lines []Line, resource string, from, to int64) string {
	r, err := order(lines)
	if err != nil {
		return err.Error()
	}
	type entry struct {
		at   int64
		text string
	}
	var story []entry
	add := func(at int64, format string, args ...any) {
		if at >= from && at <= to {
			story = append(story, entry{at, fmt.Sprintf(format, args...)})
		}
	}
	res := r.resource(resource)
	for _, c := range res.changes {
		add(c.at, "== history %d: %s", c.Rev, c)
	}
	sessions := map[session]bool{}
	for _, o := range res.ops {
		add(o.T, "%s %s asks %s %d %s (session %s, connection %x)", o.Client, o.User, o.Name, o.Fence, o.Version, o.of, o.Conn)
		if o.Answer != nil {
			add(o.Return, "%s %s: %s", o.Client, o.Name, o.Answer.Code)
		}
		if o.T >= from && o.T <= to {
			sessions[o.of] = true
		}
	}
	for _, s := range res.seen {
		add(s.at, "%s sees %s", s.client, s.Snap)
	}
	for _, a := range res.app {
		add(a.T, "application: %s by %s with %d: %s, from %d to %d", a.Name, a.Client, a.Fence, a.Code, a.Base, a.New)
	}
	for s := range sessions {
		for _, h := range r.heard[s] {
			add(h.T, "%s (%s) may believe until %.3f", h.Client, s, float64(h.Until)/1e9)
		}
		for _, o := range r.bySession[s] {
			if o.Resource == "" {
				add(o.T, "%s %s", o.Client, o.Name)
				if o.Answer != nil {
					add(o.Return, "%s %s: %s, session %s resumed %v, %v", o.Client, o.Name, o.Answer.Code, o.Answer.Session, o.Answer.Resumed, o.Answer.Snaps)
				}
			}
		}
	}
	for _, f := range r.faults {
		add(f.T, "!! %s of %s until %.3f", f.Name, f.Text, float64(f.Until)/1e9)
	}
	for _, v := range r.lives {
		add(v.spawn, "!! the server starts, is ready at %.3f and ends at %.3f", float64(v.ready)/1e9, float64(v.exit)/1e9)
	}
	slices.SortStableFunc(story, func(a, b entry) int { return cmp.Compare(a.at, b.at) })
	var b strings.Builder
	for _, e := range story {
		_, _ = fmt.Fprintf(&b, "%.6f %s\n", float64(e.at)/1e9, e.text)
	}
	return b.String()
}
