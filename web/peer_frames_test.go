package web_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lxzan/gws"

	"github.com/editlock/editlock/wire"
)

// The events of gws: what arrives on the sockets.

func (p *peer) OnOpen(conn *gws.Conn) {
	p.do(func() { p.links[conn] = &link{conn: conn, watches: map[string]bool{}} })
}

func (p *peer) OnClose(conn *gws.Conn, _ error) {
	p.do(func() {
		if l := p.links[conn]; l != nil && l.session != nil && l.session.link == l {
			l.session.link = nil
		}
		delete(p.links, conn)
	})
}

func (p *peer) OnPing(*gws.Conn, []byte) {}
func (p *peer) OnPong(*gws.Conn, []byte) {}

func (p *peer) OnMessage(conn *gws.Conn, frame *gws.Message) {
	defer frame.Close()
	var m message
	if err := json.Unmarshal(frame.Bytes(), &m); err != nil {
		p.t.Errorf("a client sent %q", frame.Bytes())
		return
	}
	if _, err := wire.DecodeRequest(frame.Bytes()); err != nil {
		p.t.Errorf("a client sent %q: %v", frame.Bytes(), err)
	}
	p.do(func() {
		l := p.links[conn]
		if l == nil {
			return
		}
		if l.session != nil {
			m["session"] = l.session.id
		}
		p.frames = append(p.frames, m)
		if p.mute {
			return
		}
		p.handle(l, m)
	})
}

func (p *peer) handle(l *link, m message) {
	kind := fmt.Sprint(m["type"])
	if kind == "pong" {
		l.acked = int(m["ping"].(float64))
		return
	}
	if refusal := p.refuse[kind]; refusal != nil {
		answer := message{"id": m["id"], "type": "error"}
		for k, v := range refusal {
			answer[k] = v
		}
		l.send(answer)
		return
	}
	if kind == "hello" {
		p.hello(l, m)
		return
	}
	if l.session == nil {
		l.conn.WriteClose(4300, nil)
		return
	}
	switch kind {
	case "token":
		l.send(message{"id": m["id"], "type": "ok", "token_expires_in": 900})
		return
	case "bye":
		l.send(message{"id": m["id"], "type": "ok"})
		return
	}
	if prefix, ok := m["prefix"].(string); ok {
		p.prefix(l, m, kind, prefix)
		return
	}
	p.about(l, m, kind, p.thing(fmt.Sprint(m["resource"])))
}

func (p *peer) prefix(l *link, m message, kind, prefix string) {
	all := []message{}
	if kind == "watch" {
		l.watches[prefix] = true
		for _, t := range p.things {
			if strings.HasPrefix(t.name, prefix) && t.holder != "" {
				all = append(all, p.snapshot(t, l.session.id, false))
			}
		}
	} else {
		delete(l.watches, prefix)
	}
	l.send(message{"id": m["id"], "type": "ok", "snapshots": all, "more": false})
}

func (p *peer) about(l *link, m message, kind string, t *thing) {
	me := l.session.id
	fence, _ := m["fence"].(float64)
	version, _ := m["version"].(string)
	answer := message{"id": m["id"], "type": "ok"}
	dirty := true
	switch kind {
	case "acquire":
		l.watches[t.name] = true
		switch {
		case t.holder == me:
			t.lapsed = false
		case m["move"] == true && t.holder != "":
			p.endFor(t, "handed_over")
			p.grant(t, me)
		case t.holder == "":
			p.grant(t, me)
		case m["wait"] == false:
			answer["type"], answer["code"], answer["message"] = "error", "locked", "Somebody holds it."
		case !slices.Contains(t.queue, me):
			t.queue = append(t.queue, me)
		default:
			dirty = false
		}
	case "confirm":
		if t.holder != me || t.fence != int64(fence) {
			answer["type"], answer["code"] = "error", "stale_fence"
		}
		t.confirmed = true
	case "release", "cancel":
		t.queue = slices.DeleteFunc(t.queue, func(id string) bool { return id == me })
		if t.holder == me && (kind == "cancel" && !t.confirmed || kind == "release" && t.fence == int64(fence)) {
			p.end(t, "released", version, true)
		}
	case "changed":
		t.version = version
	case "watch":
		l.watches[t.name], dirty = true, false
	case "unwatch":
		delete(l.watches, t.name)
		dirty = false
	default:
		answer["type"], answer["code"] = "error", "bad_request"
	}
	if dirty {
		watching := l.watches[t.name]
		delete(l.watches, t.name)
		p.tell(t)
		if watching {
			l.watches[t.name] = true
		}
	}
	answer["snapshot"] = p.snapshot(t, me, false)
	if kind == "unwatch" {
		delete(answer, "snapshot")
	}
	l.send(answer)
}

func (p *peer) endFor(t *thing, reason string) {
	t.ended[t.holder] = message{"fence": t.fence, "reason": reason, "at": stamp(time.Now())}
}

func (p *peer) hello(l *link, m message) {
	user, name, _ := strings.Cut(fmt.Sprint(m["token"]), ":")
	resume, _ := m["resume"].(string)
	nonce := fmt.Sprint(m["nonce"])
	var s *session
	resumed := false
	if resume != "" {
		for _, known := range p.sessions {
			if known.resume == resume && !known.gone {
				s, resumed = known, true
			}
		}
		if s == nil {
			l.send(message{"id": m["id"], "type": "error", "code": "resume_refused", "message": "That session is over."})
			return
		}
	}
	if s == nil {
		p.last++
		s = &session{id: fmt.Sprintf("s%d", p.last), user: user, name: name}
		p.sessions[s.id] = s
	}
	s.epoch++
	s.nonce = nonce
	s.resume = fmt.Sprintf("%s.%d", s.id, s.epoch)
	if old := s.link; old != nil && old != l {
		old.session = nil
		old.conn.WriteClose(4302, nil)
	}
	s.link, l.session = l, s
	snapshots := []message{}
	if resumed {
		for _, t := range p.things {
			if t.holder == s.id || slices.Contains(t.queue, s.id) {
				l.watches[t.name] = true
				snapshots = append(snapshots, p.snapshot(t, s.id, false))
			}
		}
	}
	l.send(message{
		"id": m["id"], "type": "welcome", "session": s.id, "epoch": s.epoch, "resume": s.resume, "resumed": resumed,
		"user": message{"id": user, "name": name}, "ttl": p.ttl, "margin": p.margin, "heartbeat": p.heartbeat,
		"pong_timeout": min(8, p.heartbeat), "rights": []string{"edit:**"}, "token_expires_in": p.lifetime, "snapshots": snapshots,
	})
	go p.beat(l, time.Duration(p.heartbeat*float64(time.Second)))
}

// beat sends pings for as long as the link lives.
func (p *peer) beat(l *link, every time.Duration) {
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	for range ticks.C {
		alive := false
		p.do(func() {
			if alive = p.links[l.conn] == l && l.session != nil; !alive || p.mute {
				return
			}
			l.pinged++
			locks := []message{}
			for _, t := range p.things {
				if t.holder == l.session.id && t.confirmed {
					locks = append(locks, message{"resource": t.name, "fence": t.fence, "token": p.token(t), "expires_in": p.ttl - 2})
				}
			}
			l.send(message{"type": "ping", "ping": l.pinged, "ack": l.acked, "locks": locks})
		})
		if !alive {
			return
		}
	}
}

func (p *peer) bye(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var m struct{ Resume string }
	if err := json.Unmarshal(body, &m); err != nil || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/plain") {
		p.t.Errorf("bye: %q as %q", body, r.Header.Get("Content-Type"))
	}
	p.do(func() {
		for _, s := range p.sessions {
			if s.resume == m.Resume {
				p.byes++
			}
		}
	})
	w.WriteHeader(http.StatusNoContent)
}

// cut closes every connection with a code; 0 means without a word.
func (p *peer) cut(code uint16) {
	p.do(func() {
		for conn, l := range p.links {
			if l.session != nil {
				l.session.link = nil
			}
			if code == 0 {
				conn.NetConn().Close()
			} else {
				conn.WriteClose(code, nil)
			}
		}
	})
}

// push sends a frame as it is to every client.
func (p *peer) push(m message) {
	p.do(func() {
		for _, l := range p.links {
			l.send(m)
		}
	})
}

// end of a session, as after a long absence.
func (p *peer) forget() {
	p.do(func() {
		for _, s := range p.sessions {
			s.gone = true
		}
	})
}
