package main

import (
	"container/list"
	"log/slog"
	"net"
	"net/http"
	"sync"
)

// What the file limit is to leave room for, beside the pages' connections.
const (
	ownFiles = 100 // the data file, the log, and what the runtime needs
	visitors = 500 // connections that are no page's, or not yet: handshakes, goodbyes, questions about the health
)

// places says how many connections may be open, and how many of them may be pages', with so many files and by these
// limits. Of few files a part stays free of pages, so that whoever asks for the health has an answer.
func places(files int, l limits, log *slog.Logger) (all, forPages int) {
	pages, others := l.connections(), visitors+l.MaxWaits
	need := pages + others + ownFiles
	if files >= need {
		return pages + others, pages
	}
	all = max(files-ownFiles, files/2, 2)
	forPages = min(pages, max(all-others, all/2))
	if l.MaxConnections == nil {
		log.Info("the limit of open files is good for so many pages at once; for more, raise LimitNOFILE (ulimit -n)", "pages", forPages, "limit", files)
		return all, forPages
	}
	log.Warn("the limit of open files is below what --max-connections needs: raise LimitNOFILE (ulimit -n), or lower --max-connections",
		"limit", files, "needed", need, "pages", forPages)
	return all, forPages
}

// door is a listener that keeps the connections that are open below a number: further ones wait in the kernel's queue. When it
// is full, those give way that ask for nothing, the oldest first: whoever opens connections only to have them open keeps nobody
// else out for long. A page's connection is never one of them. Its method state is to be the ConnState of the http.Server.
type door struct {
	net.Listener
	places chan struct{}
	closed chan struct{}
	once   sync.Once

	mu   sync.Mutex
	idle list.List // of *guest, without a request since; the oldest first
	full bool      // somebody may be waiting for a place
}

// guest is a connection that came through a door.
type guest struct {
	*net.TCPConn // whose other methods are needed to close it properly
	door         *door
	once         sync.Once
	idle         *list.Element // guarded by the door
}

func newDoor(l net.Listener, places int) *door {
	return &door{Listener: l, places: make(chan struct{}, places), closed: make(chan struct{})}
}

// Accept waits for a place, and then for a connection.
func (d *door) Accept() (net.Conn, error) {
	if !d.enter() {
		return nil, net.ErrClosed
	}
	c, err := d.Listener.Accept()
	if err != nil {
		<-d.places
		return nil, err
	}
	return &guest{TCPConn: c.(*net.TCPConn), door: d}, nil
}

func (d *door) enter() bool {
	select {
	case d.places <- struct{}{}:
		return true
	default:
	}
	d.crowded(true)
	defer d.crowded(false)
	select {
	case d.places <- struct{}{}:
		return true
	case <-d.closed:
		return false
	}
}

// crowded sends the oldest idle connection away if a place is needed; without one, the next that becomes idle.
func (d *door) crowded(full bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.full = full
	if oldest := d.idle.Front(); full && oldest != nil {
		d.sendAway(oldest.Value.(*guest))
	}
}

// sendAway closes an idle connection. mu is held.
func (d *door) sendAway(g *guest) {
	d.idle.Remove(g.idle)
	g.idle = nil
	d.full = false
	_ = g.Close()
}

// state is told by the http.Server what a connection does.
func (d *door) state(c net.Conn, s http.ConnState) {
	g, ok := c.(*guest)
	if !ok {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch s {
	case http.StateNew, http.StateIdle:
		g.idle = d.idle.PushBack(g)
		if d.full {
			d.sendAway(d.idle.Front().Value.(*guest))
		}
	default: // a request has begun, or it is a page's now, or it has ended
		if g.idle != nil {
			d.idle.Remove(g.idle)
			g.idle = nil
		}
	}
}

// Close makes Accept return.
func (d *door) Close() error {
	d.once.Do(func() { close(d.closed) })
	return d.Listener.Close()
}

// Close gives the place back.
func (g *guest) Close() error {
	err := g.TCPConn.Close()
	g.once.Do(func() { <-g.door.places })
	return err
}
