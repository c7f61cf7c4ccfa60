package slot

import "testing"

func TestASlotHasOneOwner(t *testing.T) {
	a, err := Acquire("same key")
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := Acquire("same key")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if a.Number == b.Number {
		t.Fatalf("slot %d was given out twice", a.Number)
	}
	if c, err := Take(a.Slot); err == nil {
		c.Close()
		t.Errorf("slot %d was taken from its owner", a.Number)
	}
}

// A child that inherited the claim keeps the slot when its parent is gone.
func TestAnInheritedClaimHolds(t *testing.T) {
	a, err := Acquire("inherit")
	if err != nil {
		t.Fatal(err)
	}
	held, err := a.File()
	if err != nil {
		t.Fatal(err)
	}
	a.Close()
	if c, err := Take(a.Slot); err == nil {
		c.Close()
		t.Error("the slot was free while a child held it")
	}
	held.Close()
	c, err := Take(a.Slot)
	if err != nil {
		t.Fatalf("the slot was not free after everyone let go: %v", err)
	}
	c.Close()
}

func TestSlotsDoNotOverlap(t *testing.T) {
	if used > blockSize {
		t.Fatalf("%d ports do not fit into a block of %d", used, blockSize)
	}
	last := Slot{Number: Count}
	if p := last.port(blockSize - 1); p >= 32768 {
		t.Errorf("port %d may be taken by any outgoing connection", p)
	}
	if got := last.NodeIP().String(); got != "10.201.250.1" {
		t.Errorf("node address is %s", got)
	}
	if got := last.ServicesIP().String(); got != "10.201.250.2" {
		t.Errorf("address of the services is %s", got)
	}
	if !last.PodRange().Contains(last.FirstPodIP()) || last.FirstPodIP() == last.ServicesIP() {
		t.Errorf("the first pod's address is %s", last.FirstPodIP())
	}
	for _, name := range []string{last.Bridge(), last.ServicesPort()} {
		if len(name) > 15 {
			t.Errorf("%s is too long for an interface", name)
		}
	}
}
