package usual

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/lxzan/gws"
)

// A consumer serves one WebSocket: it gets the events of that socket one after the other.
type consumer struct {
	server *Server
	socket *gws.Conn
	user   string
	locked []int64 // what to unlock at the disconnect; known to this process only
	events chan event
	over   chan struct{}
}

type event struct {
	kind string // message, update, disconnect
	data []byte
}

// run is the life of the consumer.
//
// Weakness: the clean-up is one of the events. When handling an earlier event fails, the consumer is over
// and the disconnect that comes later finds nobody: a message that is no JSON, an article that does
// not exist, a database that hiccups, an update pushed into a socket that is just closing ("save, then leave").
// Weakness: a killed process, a deploy, a power cut run no clean-up at all.
func (c *consumer) run() error {
	for e := range c.events {
		switch e.kind {
		case "message":
			if err := c.receive(e.data); err != nil {
				return err
			}
		case "update":
			if err := c.socket.WriteMessage(gws.OpcodeText, e.data); err != nil {
				return err
			}
		case "disconnect":
			return c.disconnect()
		}
	}
	return nil
}

func (c *consumer) receive(data []byte) error {
	var m struct {
		Action string `json:"action"`
		PK     int64  `json:"pk"`
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return err
	}
	if m.Action != "subscribe_instance" {
		return fmt.Errorf("unknown action %q", m.Action)
	}
	granted, err := lock(c.server.db, m.PK, c.user)
	if err != nil {
		return err
	}
	c.locked = append(c.locked, m.PK)
	reply, err := json.Marshal(map[string]any{"action": m.Action, "locked": granted})
	if err != nil {
		return err
	}
	if err := c.socket.WriteMessage(gws.OpcodeText, reply); err != nil {
		return err
	}
	return c.server.notify(m.PK)
}

// disconnect gives back what the consumer locked.
//
// Weakness: the first error ends the loop, and nobody tries again.
// Weakness: it unlocks for the user, so that closing one of their tabs takes the article from the other.
func (c *consumer) disconnect() error {
	for _, article := range c.locked {
		if err := unlock(c.server.db, article, c.user); err != nil {
			return err
		}
		if err := c.server.notify(article); err != nil {
			return err
		}
	}
	return nil
}

// put hands the consumer an event, unless it is over.
func (c *consumer) put(e event) {
	select {
	case c.events <- e:
	case <-c.over:
	default: // a consumer that is too slow misses updates
	}
}

// handler joins the WebSocket library to the consumers.
type handler struct{ server *Server }

func (h handler) consumer(socket *gws.Conn) *consumer {
	c, _ := socket.Session().Load("consumer")
	return c.(*consumer)
}

// OnOpen sets the deadline by which a first pong is due.
//
// Weakness: a connection that vanishes without a close (a laptop's lid, a lost network) holds the article until
// the ping goes unanswered. The page is not told, and goes on believing.
func (h handler) OnOpen(socket *gws.Conn) { h.alive(socket) }

func (h handler) OnPong(socket *gws.Conn, _ []byte) { h.alive(socket) }

func (h handler) OnPing(socket *gws.Conn, payload []byte) { _ = socket.WritePong(payload) }

func (h handler) OnMessage(socket *gws.Conn, message *gws.Message) {
	defer func() { _ = message.Close() }()
	h.consumer(socket).put(event{"message", append([]byte(nil), message.Bytes()...)})
}

func (h handler) OnClose(socket *gws.Conn, _ error) {
	c := h.consumer(socket)
	h.server.remove(c)
	c.put(event{kind: "disconnect"})
}

func (h handler) alive(socket *gws.Conn) {
	_ = socket.SetReadDeadline(time.Now().Add(h.server.ping + h.server.timeout))
}
