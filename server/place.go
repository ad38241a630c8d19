package server

import "github.com/editlock/editlock"

// placed gives the connection the places that it lacks, as far as there are any, and reports whether it has all.
func (c *conn) placed(user string) bool {
	address := c.enterAddress()
	return c.enter(user) && address
}

// enter gives the connection a place among those of its user, once, if there is one.
func (c *conn) enter(user string) bool {
	c.mu.Lock()
	has := c.counted && c.user == user
	c.mu.Unlock()
	return has || c.srv.admission.enterUser(user) && c.take(user)
}

// take notes a place that was found, in exchange for any before it; it is given back if the connection has ended.
func (c *conn) take(user string) bool {
	c.mu.Lock()
	gone, counted, before := c.closing, c.counted, c.user
	if !gone {
		c.user, c.counted = user, true
	}
	c.mu.Unlock()
	switch {
	case gone:
		c.srv.admission.leaveUser(user)
	case counted:
		c.srv.admission.leaveUser(before)
	}
	return !gone
}

// enterAddress gives the connection a place among those of its address, once, if there is one.
func (c *conn) enterAddress() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.place == asGuest && c.srv.admission.settle(c.addr) {
		c.place = inPlace
	}
	return c.place == inPlace
}

// lacks says which places the connection has not.
func (c *conn) lacks(user string) (ofUser, ofAddress bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.counted || c.user != user, c.place == asGuest
}

// predecessor finds the connection that a resume is going to replace, and claims those of its places that this one lacks. So
// whoever has as many connections as there may be can come back before the server notices that one of them is dead.
func (c *conn) predecessor(user string, resume *editlock.Resume) *conn {
	if resume == nil {
		return nil
	}
	old := c.srv.attached(resume.Session)
	if old == nil {
		return nil
	}
	ofUser, ofAddress := c.lacks(user)
	old.mu.Lock()
	defer old.mu.Unlock()
	if old.user != user || old.claimed || ofUser && !old.counted || ofAddress && (old.place != inPlace || old.addr != c.addr) {
		return nil // one at a time, or connections without a place could pile up
	}
	old.claimed = true
	return old
}

// inherit ends the claim, and takes the places if the old connection was replaced and still had them.
func (c *conn) inherit(old *conn, user string, replaced bool) {
	ofUser, ofAddress := c.lacks(user)
	old.mu.Lock()
	old.claimed = false
	ofUser = ofUser && replaced && old.counted
	if ofUser {
		old.counted = false
	}
	ofAddress = ofAddress && replaced && old.place == inPlace
	host := old.host
	if ofAddress {
		old.place, old.host = noPlace, false
	}
	old.mu.Unlock()
	if ofUser {
		c.take(user)
	}
	if ofAddress {
		c.mu.Lock()
		guest := c.place == asGuest
		if guest {
			c.place = inPlace
		}
		c.mu.Unlock()
		c.srv.admission.succeed(c.addr, guest, host)
	}
}

// leave gives back all places that the connection has. Nothing follows it.
func (c *conn) leave() {
	c.mu.Lock()
	user, counted, p, host := c.user, c.counted, c.place, c.host
	c.counted, c.place, c.host = false, noPlace, false
	c.mu.Unlock()
	if counted {
		c.srv.admission.leaveUser(user)
	}
	c.srv.admission.leave(c.addr, p, host)
}
