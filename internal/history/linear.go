package history

import (
	"fmt"
	"time"

	"github.com/anishathalye/porcupine"
)

// state is who holds a resource: the model is a register that only changes of holder write.
type state struct {
	fence   int64 // the highest ever granted
	session session
	user    string
}

// input is a change of holder, or what a client asked.
type input struct {
	change *Change
	name   string
	client string
	own    session
	fence  int64 // of a confirmation that is refused
	may    bool  // its hold may have been over in time
}

// Model says which changes and observations follow each other.
var Model = porcupine.Model{
	Init: func() any { return state{} },
	Step: func(s, in, out any) (bool, any) {
		i, now := in.(input), s.(state)
		if i.change == nil {
			return i.sees(now, out), now
		}
		if e := i.change.Ended; e != nil {
			if now.session != e.Session || now.fence != e.Fence {
				return false, now
			}
			now.session, now.user = "", ""
		}
		if g := i.change.Granted; g != nil {
			if now.session != "" || g.Fence <= now.fence {
				return false, now
			}
			now = state{g.Fence, g.Session, g.User}
		}
		return true, now
	},
	DescribeOperation: func(in, out any) string {
		i := in.(input)
		if i.change != nil {
			return i.change.String()
		}
		if s, is := out.(Snap); is {
			return fmt.Sprintf("%s %s: %s", i.client, i.name, s)
		}
		return fmt.Sprintf("%s %s: %v", i.client, i.name, out)
	},
	DescribeState: func(s any) string {
		now := s.(state)
		if now.session == "" {
			return fmt.Sprintf("free after %d", now.fence)
		}
		return fmt.Sprintf("%s (%s) holds with %d", now.session, now.user, now.fence)
	},
}

// sees reports whether a client may see this of a state.
func (i input) sees(now state, out any) bool {
	s, is := out.(Snap)
	if !is { // the fence is stale
		return now.session != i.own || now.fence != i.fence || i.may
	}
	if (s.State == "free") != (now.session == "") || s.State != "free" && s.Holder != now.user {
		return false
	}
	switch s.Mine {
	case "granted", "held", "lapsed":
		return now.session == i.own && now.fence == s.Fence
	}
	return now.session != i.own || now.session == ""
}

func (c *Change) String() string {
	text := ""
	if c.Ended != nil {
		text = fmt.Sprintf("%d of %s (%s) ends: %s", c.Ended.Fence, c.Ended.Session, c.Ended.User, c.Ended.Reason)
	}
	if c.Granted != nil {
		if text != "" {
			text += "; "
		}
		text += fmt.Sprintf("granted to %s (%s): %d", c.Granted.Session, c.Granted.User, c.Granted.Fence)
	}
	return text
}

func (s Snap) String() string {
	text := fmt.Sprintf("%d %s", s.Rev, s.State)
	if s.Holder != "" {
		text += " by " + s.Holder
	}
	if s.Mine != "" {
		text += fmt.Sprintf(", mine %s %d", s.Mine, max(s.Fence, int64(s.Position)))
	}
	return text
}

// enough is for how long porcupine may search. What it has not found by then counts as a violation.
var enough = 5 * time.Minute

// linearizable judges every resource: the changes of holder, each after what caused it and before anybody saw it, and
// every answer that a client had, between its request and itself, must have been one after the other, with rising
// fences. A request without an answer has been done if the durable history says so, and else never.
func (j *judge) linearizable(res *resource) {
	ops := j.operations(res)
	j.count("linearizable operations", len(ops))
	result, info := porcupine.CheckOperationsVerbose(Model, ops, enough)
	if result == porcupine.Ok {
		return
	}
	j.accuse("S1 linearizable", res, j.end, "%d operations are not: porcupine says %s", len(ops), result)
	if j.visual != nil {
		j.visual(res.name, info)
	}
}

func (j *judge) operations(res *resource) []porcupine.Operation {
	var ops []porcupine.Operation
	clients := map[string]int{}
	id := func(client string) int {
		if _, known := clients[client]; !known {
			clients[client] = len(clients) + 1
		}
		return clients[client]
	}
	proof := j.proofs(res)
	for i, c := range res.changes {
		call, back := j.causeOf(res, i), proof[i]
		if call > back {
			j.accuse("S1 linearizable", res, back, "seen before anything could have caused it: %s", c)
			continue
		}
		// By the server's own clock it was not sooner either. Without that, a search would try each change as soon as it may have been asked for.
		call = max(call, min(c.at-slack, back))
		ops = append(ops, porcupine.Operation{ClientId: 0, Input: input{change: c.Change}, Call: call, Return: back})
	}
	for _, s := range res.seen {
		if !s.push {
			ops = append(ops, porcupine.Operation{ClientId: id(s.client), Input: input{name: s.op.Name, client: s.client, own: s.session},
				Call: s.call, Output: s.Snap, Return: s.at})
		}
	}
	for _, o := range res.ops {
		if o.Answer != nil && o.Answer.Code == "stale_fence" && o.Answer.Snap == nil {
			in := input{name: o.Name, client: o.Client, own: o.of, fence: o.Fence, may: o.Return >= j.lastAck(o.of, o.Return)+j.ttl-slack}
			ops = append(ops, porcupine.Operation{ClientId: id(o.Client), Input: in, Call: o.T, Output: "stale", Return: o.Return})
		}
	}
	return ops
}

// proofs returns, for each change, the moment at which a client had seen it or a later one.
func (j *judge) proofs(res *resource) []int64 {
	at := make([]int64, len(res.changes))
	for i := range at {
		at[i] = j.end
	}
	done := 0
	for _, s := range res.seen { // by time
		for done < len(at) && res.changes[done].Rev <= s.Rev {
			at[done] = s.at
			done++
		}
	}
	return at
}
