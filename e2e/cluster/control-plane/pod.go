// One pod's life on a node: volumes, images, init containers, containers, and how it ends.
package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Waits of the kubelet. The first of the real ones; all double up to five minutes.
const (
	pullBackoff  = 10 * time.Second
	crashBackoff = 10 * time.Second
	maxBackoff   = 5 * time.Minute
	callTimeout  = 10 * time.Second
)

type podRun struct {
	node    *node
	pod     *corev1.Pod // as it was when it started
	dir     string
	address string

	stopping chan struct{} // closed: end all containers
	kill     chan struct{} // closed: end them now
	changed  chan struct{} // something to report

	mu         sync.Mutex
	stopped    bool
	killed     bool
	containers []*containerRun
	prepared   bool
	ended      bool
	deleting   bool                 // the API wants it gone once it has ended
	silent     bool                 // its node was lost: report nothing more
	verdict    *corev1.PodStatus    // phase, reason and message that do not follow from the containers
	disruption *corev1.PodCondition // why the node itself ended it
	started    metav1.Time
}

func newPodRun(node *node, pod *corev1.Pod) *podRun {
	p := &podRun{
		node: node, pod: pod.DeepCopy(), dir: node.podDir(pod), address: node.nextAddress(),
		stopping: make(chan struct{}), kill: make(chan struct{}), changed: make(chan struct{}, 1),
		started: metav1.Now(),
	}
	waiting := "ContainerCreating"
	if len(pod.Spec.InitContainers) > 0 {
		waiting = "PodInitializing"
	}
	add := func(list []corev1.Container, init bool) {
		for i := range list {
			run := &containerRun{spec: list[i].DeepCopy(), init: init}
			run.state.Waiting = &corev1.ContainerStateWaiting{Reason: waiting}
			p.containers = append(p.containers, run)
		}
	}
	add(pod.Spec.InitContainers, true)
	add(pod.Spec.Containers, false)
	return p
}

// live runs the pod to its end.
func (p *podRun) live() {
	go p.report()
	p.touch()
	if limit := p.pod.Spec.ActiveDeadlineSeconds; limit != nil {
		timer := time.AfterFunc(time.Duration(*limit)*time.Second, func() {
			p.condemn("DeadlineExceeded", "Pod was active on the node longer than the specified deadline", nil)
		})
		defer timer.Stop()
	}
	p.liveUntilEnd()
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	p.touch()
}

func (p *podRun) liveUntilEnd() {
	var volumes map[string]string
	if !p.insist(func(ctx context.Context) error {
		var err error
		if volumes, err = p.fillVolumes(ctx); err != nil {
			p.node.recorder.Event(p.pod, corev1.EventTypeWarning, "FailedMount", err.Error())
		}
		return err
	}) {
		return
	}
	p.mu.Lock()
	p.prepared = true
	p.mu.Unlock()

	var together sync.WaitGroup
	for _, run := range p.containers {
		if run.init {
			if code, ran := p.runContainer(run, volumes); !ran || code != 0 {
				return
			}
			continue
		}
		together.Go(func() { p.runContainer(run, volumes) })
	}
	together.Wait()
}

// runContainer pulls, starts and, where the pod asks for it, restarts a container. ran tells whether it ended of
// itself; a pod that was stopped first gives false.
func (p *podRun) runContainer(run *containerRun, volumes map[string]string) (code int32, ran bool) {
	wait := crashBackoff
	for {
		if !p.pull(run) {
			return 0, false
		}
		var env map[string]string
		var plain map[string]bool
		if !p.insist(func(ctx context.Context) error {
			var err error
			if env, plain, err = p.environment(ctx, run.spec); err != nil {
				p.wait(run, "CreateContainerConfigError", err.Error())
				p.event(corev1.EventTypeWarning, "Failed", run, "Error: "+err.Error())
			}
			return err
		}) {
			return 0, false
		}
		code = p.runOnce(run, volumes, env, plain)
		policy := p.pod.Spec.RestartPolicy
		again := policy == corev1.RestartPolicyAlways && !run.init || policy != corev1.RestartPolicyNever && code != 0
		if p.isStopped() || !again {
			return code, true
		}
		p.mu.Lock()
		run.last = run.state
		run.restarts++
		p.mu.Unlock()
		message := fmt.Sprintf("back-off %s restarting failed container=%s pod=%s_%s(%s)",
			wait, run.spec.Name, p.pod.Name, p.pod.Namespace, p.pod.UID)
		p.wait(run, "CrashLoopBackOff", message)
		p.event(corev1.EventTypeWarning, "BackOff", run, "Back-off restarting failed container "+run.spec.Name)
		if !p.pause(wait) {
			return code, false
		}
		wait = min(2*wait, maxBackoff)
	}
}

// pull waits until the image is there; false when the pod was stopped before.
func (p *podRun) pull(run *containerRun) bool {
	image := run.spec.Image
	wait := pullBackoff
	for {
		present := p.node.cluster.hasImage(image)
		switch {
		case present && run.spec.ImagePullPolicy != corev1.PullAlways:
			p.event(corev1.EventTypeNormal, "Pulled", run, fmt.Sprintf("Container image %q already present on machine", image))
			return true
		case run.spec.ImagePullPolicy == corev1.PullNever:
			message := fmt.Sprintf("Container image %q is not present with pull policy of Never", image)
			p.event(corev1.EventTypeWarning, "ErrImageNeverPull", run, message)
			p.event(corev1.EventTypeWarning, "Failed", run, "Error: ErrImageNeverPull")
			p.wait(run, "ErrImageNeverPull", message)
			if !p.pause(wait) {
				return false
			}
			continue
		}
		p.event(corev1.EventTypeNormal, "Pulling", run, fmt.Sprintf("Pulling image %q", image))
		if present {
			p.event(corev1.EventTypeNormal, "Pulled", run, fmt.Sprintf(
				"Successfully pulled image %q in 1ms (1ms including waiting). Image size: 1 bytes.", image))
			return true
		}
		problem := fmt.Sprintf("rpc error: code = NotFound desc = failed to pull and unpack image %q: "+
			"failed to resolve reference %q: %s: not found", image, image, image)
		p.event(corev1.EventTypeWarning, "Failed", run, fmt.Sprintf("Failed to pull image %q: %s", image, problem))
		p.event(corev1.EventTypeWarning, "Failed", run, "Error: ErrImagePull")
		p.wait(run, "ErrImagePull", problem)
		if !p.pause(2 * time.Second) {
			return false
		}
		p.event(corev1.EventTypeNormal, "BackOff", run, fmt.Sprintf("Back-off pulling image %q", image))
		p.event(corev1.EventTypeWarning, "Failed", run, "Error: ImagePullBackOff")
		p.wait(run, "ImagePullBackOff", fmt.Sprintf("Back-off pulling image %q: ErrImagePull: %s", image, problem))
		if !p.pause(wait) {
			return false
		}
		wait = min(2*wait, maxBackoff)
	}
}

// insist tries until it works; false when the pod was stopped before.
func (p *podRun) insist(try func(context.Context) error) bool {
	for {
		if p.isStopped() {
			return false
		}
		ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
		err := try(ctx)
		cancel()
		if err == nil {
			return true
		}
		if !p.pause(2 * time.Second) {
			return false
		}
	}
}

// pause waits; false when the pod was stopped meanwhile.
func (p *podRun) pause(length time.Duration) bool {
	select {
	case <-time.After(length):
		return true
	case <-p.stopping:
		return false
	}
}

func (p *podRun) isStopped() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stopped
}

// stop asks all containers to end (SIGTERM), and after the grace period ends them (SIGKILL).
func (p *podRun) stop(grace time.Duration) {
	p.mu.Lock()
	first := !p.stopped
	p.stopped = true
	p.mu.Unlock()
	if first {
		close(p.stopping)
	}
	if grace <= 0 {
		p.killNow()
	} else {
		time.AfterFunc(grace, p.killNow)
	}
}

func (p *podRun) killNow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.killed {
		p.killed = true
		close(p.kill)
	}
}

// condemn ends the pod as failed for a reason of the node's own.
func (p *podRun) condemn(reason, message string, disruption *corev1.PodCondition) {
	p.mu.Lock()
	if !p.ended && p.verdict == nil {
		p.verdict = &corev1.PodStatus{Phase: corev1.PodFailed, Reason: reason, Message: message}
		p.disruption = disruption
	}
	p.mu.Unlock()
	p.stop(p.grace())
}

// remove ends the pod because the API says so, and takes it away there when it has ended.
func (p *podRun) remove(grace time.Duration) {
	p.mu.Lock()
	p.deleting = true
	p.mu.Unlock()
	p.stop(grace)
	p.touch()
}

// vanish ends the pod as a power cut does: at once, and nobody hears of it.
func (p *podRun) vanish() {
	p.mu.Lock()
	p.silent = true
	p.mu.Unlock()
	p.stop(0)
	p.touch()
}

// lose says of a pod that ran before this node started: its containers are gone, nobody knows how they ended.
func (p *podRun) lose() {
	p.mu.Lock()
	for _, run := range p.containers {
		run.state = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			ExitCode: 137, Reason: "ContainerStatusUnknown",
			Message: "The container could not be located when the pod was terminated",
		}}
	}
	p.prepared, p.ended, p.stopped = true, true, true
	p.mu.Unlock()
	go p.report()
	p.touch()
}

func (p *podRun) grace() time.Duration {
	if seconds := p.pod.Spec.TerminationGracePeriodSeconds; seconds != nil {
		return time.Duration(*seconds) * time.Second
	}
	return 30 * time.Second
}

func (p *podRun) wait(run *containerRun, reason, message string) {
	p.mu.Lock()
	run.state = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
	p.mu.Unlock()
	p.touch()
}

// crash kills the processes of the pod's containers, as a crash or, with oom, as the kernel does for memory.
func (p *podRun) crash(oom bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, run := range p.containers {
		if run.process != nil {
			run.oom = oom
			killGroup(run.process)
		}
	}
}

func (p *podRun) event(kind, reason string, run *containerRun, message string) {
	list := "containers"
	if run.init {
		list = "initContainers"
	}
	p.node.recorder.Event(&corev1.ObjectReference{
		Kind: "Pod", APIVersion: "v1", Namespace: p.pod.Namespace, Name: p.pod.Name, UID: p.pod.UID,
		ResourceVersion: p.pod.ResourceVersion, FieldPath: fmt.Sprintf("spec.%s{%s}", list, run.spec.Name),
	}, kind, reason, message)
}

// touch says that there is something to report.
func (p *podRun) touch() {
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

func (p *podRun) hasMemoryLimit() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, run := range p.containers {
		if run.process != nil && !run.spec.Resources.Limits.Memory().IsZero() {
			return true
		}
	}
	return false
}

// enforceMemory kills the containers whose processes use more than they may (bytes by process group).
func (p *podRun) enforceMemory(used map[int]int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, run := range p.containers {
		limit := run.spec.Resources.Limits.Memory().Value()
		if run.process != nil && limit > 0 && used[run.process.Pid] > limit {
			run.oom = true
			killGroup(run.process)
		}
	}
}

// keepStatusOf takes over a pod that had ended and been reported before this node started.
func (p *podRun) keepStatusOf(pod *corev1.Pod) {
	p.mu.Lock()
	for _, run := range p.containers {
		for _, old := range append(append([]corev1.ContainerStatus{}, pod.Status.InitContainerStatuses...), pod.Status.ContainerStatuses...) {
			if old.Name == run.spec.Name {
				run.state, run.last, run.restarts, run.id = old.State, old.LastTerminationState, old.RestartCount, old.ContainerID
			}
		}
	}
	p.verdict = &corev1.PodStatus{Phase: pod.Status.Phase, Reason: pod.Status.Reason, Message: pod.Status.Message}
	p.prepared, p.ended, p.stopped = true, true, true
	p.mu.Unlock()
	go p.report()
	p.touch()
}
