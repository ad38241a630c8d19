package server

import (
	"container/list"
	"time"

	"github.com/editlock/editlock"
)

// maxBehind is how long anything may wait for a client that takes what is sent, but more slowly than it comes. One that
// takes nothing is noticed sooner: by the write that ends with its deadline, or by the pong that is missing.
const maxBehind = 10 * time.Second

// What an entry costs beside its text: itself, and a snapshot with its holder and its place in the map.
const (
	entryBytes = 128
	pushBytes  = 512
)

// entry is something to be sent: one of its members is set.
type entry struct {
	frame []byte             // an encoded message
	push  *editlock.Snapshot // encoded when its turn comes, so that a newer one can take its place until then
	ping  bool               // likewise: what it acknowledges and proves is to be true when it is sent
	close uint16             // the last entry
	why   string             // with close
}

// size is at least the memory that it holds.
func (e *entry) size() int {
	s := e.push
	if s == nil {
		return entryBytes + len(e.frame)
	}
	n := pushBytes + len(s.Resource) + len(s.Version)
	if h := s.Holder; h != nil {
		n += len(h.User.ID) + len(h.User.Name)
	}
	if s.Ended != nil {
		n += len(s.Ended.By.ID) + len(s.Ended.By.Name)
	}
	return n
}

// waiting is an entry in the line.
type waiting struct {
	entry
	since time.Time
	size  int
}

// outbox is what waits to be sent to one client, in order and within bounds: limit bytes, or one entry that is larger, and
// maxBehind. Their number is not bounded: a thousand resources may change at one moment, and a client that reads is to hear of
// each. An empty one keeps no memory. It needs a lock around it.
type outbox struct {
	line   list.List                // of *waiting
	pushes map[string]*list.Element // by resource: there is one of each at most
	bytes  int
	pong   []byte // answer to the last ping of the protocol below; nil: none
	ping   bool   // one is due. It is sent before the pushes: they may be many, and its pong has little time
	held   bool   // it waits for an answer to be ready, not for the client: nothing in it grows old
	limit  int    // bytes
}

// add appends an entry and reports whether the client is too far behind for it.
func (o *outbox) add(e entry) (full bool) {
	now, size := time.Now(), e.size()
	if first := o.first(); first != nil && e.close == 0 {
		late := !o.held && now.Sub(first.since) > maxBehind
		if late || o.bytes+size > o.limit {
			return true
		}
	}
	if e.ping {
		o.ping = true
		return false
	}
	at := o.line.PushBack(&waiting{entry: e, since: now, size: size})
	o.bytes += size
	if e.push != nil {
		if o.pushes == nil {
			o.pushes = map[string]*list.Element{}
		}
		o.pushes[e.push.Resource] = at
	}
	return false
}

// addPush appends a snapshot, in the place of an older one of the same resource that was not sent yet. The newer one goes to the
// end: an answer between the two would otherwise be taken for news.
func (o *outbox) addPush(s editlock.Snapshot) (full bool) {
	if at := o.pushes[s.Resource]; at != nil {
		s = merge(*o.remove(at).push, s)
	}
	return o.add(entry{push: &s})
}

// takePush takes the snapshot of a resource out, if one waits that is not newer than a revision.
func (o *outbox) takePush(resource string, revision int64) *editlock.Snapshot {
	at := o.pushes[resource]
	if at == nil || at.Value.(*waiting).push.Revision > revision {
		return nil
	}
	return o.remove(at).push
}

// merge is what is sent if both would be: the newer state, and how a holding ended if either says so.
func merge(older, newer editlock.Snapshot) editlock.Snapshot {
	if newer.Revision < older.Revision {
		older, newer = newer, older
	}
	if newer.Ended == nil {
		newer.Ended = older.Ended
	}
	return newer
}

// empty says whether nothing waits.
func (o *outbox) empty() bool { return o.pong == nil && !o.ping && o.first() == nil }

// next takes out what is to be sent first.
func (o *outbox) next() (e entry, ok bool) {
	w := o.first()
	switch {
	case o.ping && (w == nil || w.push != nil):
		o.ping = false
		return entry{ping: true}, true
	case w == nil:
		return entry{}, false
	}
	return o.remove(o.line.Front()).entry, true
}

// first is what waits longest; nil if nothing does.
func (o *outbox) first() *waiting {
	if at := o.line.Front(); at != nil {
		return at.Value.(*waiting)
	}
	return nil
}

func (o *outbox) remove(at *list.Element) *waiting {
	w := o.line.Remove(at).(*waiting)
	o.bytes -= w.size
	if w.push != nil {
		if delete(o.pushes, w.push.Resource); len(o.pushes) == 0 {
			o.pushes = nil // a map keeps the memory that it ever needed
		}
	}
	return w
}

// clear forgets everything that was not sent.
func (o *outbox) clear() { *o = outbox{limit: o.limit, held: o.held} }
