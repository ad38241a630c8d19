package server

import "github.com/editlock/editlock"

// outboxBytes bounds the encoded frames that wait for a client; a single larger one may wait alone.
const outboxBytes = 512 << 10

// entry is something to be sent: one of its members is set.
type entry struct {
	frame []byte             // an encoded message
	push  *editlock.Snapshot // encoded when its turn comes, so that a newer one can take its place until then
	ping  bool               // likewise: what it acknowledges and proves is to be true when it is sent
	close uint16             // the last entry
	why   string             // with close
}

// outbox is what waits to be sent to one client, in order and within bounds. It needs a lock around it.
type outbox struct {
	list  []entry
	bytes int
	pong  []byte // answer to the last ping of the protocol below; nil: none
	limit int
}

// add appends an entry and reports whether the client is too far behind for it.
func (o *outbox) add(e entry) (full bool) {
	if e.close == 0 && len(o.list) >= o.limit || o.bytes > 0 && o.bytes+len(e.frame) > outboxBytes {
		return true
	}
	o.bytes += len(e.frame)
	o.list = append(o.list, e)
	return false
}

// addPush appends a snapshot, in the place of an older one of the same resource that was not sent yet. The newer one goes to the
// end: an answer between the two would otherwise be taken for news.
func (o *outbox) addPush(s editlock.Snapshot) (full bool) {
	for i, e := range o.list {
		if e.push != nil && e.push.Resource == s.Resource {
			s = merge(*e.push, s)
			o.list = append(o.list[:i], o.list[i+1:]...)
			break
		}
	}
	return o.add(entry{push: &s})
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

// next takes the first entry out.
func (o *outbox) next() (e entry, ok bool) {
	if len(o.list) == 0 {
		o.list = nil // an idle connection keeps no memory for it
		return entry{}, false
	}
	e = o.list[0]
	o.list[0] = entry{}
	o.list = o.list[1:]
	o.bytes -= len(e.frame)
	return e, true
}

// clear forgets everything that was not sent.
func (o *outbox) clear() {
	o.list, o.bytes, o.pong = nil, 0, nil
}
