// A pod's status as the API shows it, worked out from what its containers do, and the reporting of it, which goes
// on in its own time and outlasts an API server that is away.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// fillStatus writes all that the kubelet owns into status and leaves what others wrote (PodScheduled, and the
// DisruptionTarget of the eviction API, the scheduler or a taint).
func (p *podRun) fillStatus(status *corev1.PodStatus) {
	p.mu.Lock()
	defer p.mu.Unlock()
	status.Phase, status.Reason, status.Message = p.phase(), "", ""
	if p.verdict != nil {
		status.Reason, status.Message = p.verdict.Reason, p.verdict.Message
		if p.ended {
			status.Phase = p.verdict.Phase
		}
	}
	status.StartTime = &p.started
	status.HostIP, status.HostIPs = nodeAddress, []corev1.HostIP{{IP: nodeAddress}}
	status.PodIP, status.PodIPs = p.address, []corev1.PodIP{{IP: p.address}}
	status.InitContainerStatuses, status.ContainerStatuses = nil, nil
	var unready []string
	initialized := true
	for _, run := range p.containers {
		running := run.state.Running != nil
		one := corev1.ContainerStatus{
			Name: run.spec.Name, Image: run.spec.Image, State: run.state, LastTerminationState: run.last,
			RestartCount: run.restarts, Ready: running, Started: &running, ContainerID: run.id,
		}
		if run.id != "" {
			one.ImageID = run.spec.Image
		}
		if run.init {
			one.Ready = run.state.Terminated != nil && run.state.Terminated.ExitCode == 0
			initialized = initialized && one.Ready
			status.InitContainerStatuses = append(status.InitContainerStatuses, one)
			continue
		}
		if !running {
			unready = append(unready, run.spec.Name)
		}
		status.ContainerStatuses = append(status.ContainerStatuses, one)
	}
	done := ""
	switch status.Phase {
	case corev1.PodSucceeded:
		done = "PodCompleted"
	case corev1.PodFailed:
		done = "PodFailed"
	}
	ready := corev1.PodCondition{Status: corev1.ConditionTrue}
	if len(unready) > 0 || done != "" {
		ready = corev1.PodCondition{
			Status: corev1.ConditionFalse, Reason: "ContainersNotReady",
			Message: fmt.Sprintf("containers with unready status: [%s]", strings.Join(unready, " ")),
		}
	}
	if done != "" {
		ready.Reason, ready.Message = done, ""
	}
	set := func(kind corev1.PodConditionType, condition corev1.PodCondition) {
		condition.Type = kind
		setCondition(status, condition)
	}
	set(corev1.PodReadyToStartContainers, corev1.PodCondition{Status: truth(p.prepared && !p.ended)})
	set(corev1.PodInitialized, corev1.PodCondition{Status: truth(initialized)})
	set(corev1.PodReady, ready)
	set(corev1.ContainersReady, ready)
	if p.disruption != nil {
		set(corev1.DisruptionTarget, *p.disruption)
	}
}

// phase follows from the containers. A pod that ended before any container ran has failed.
func (p *podRun) phase() corev1.PodPhase {
	if !p.ended {
		for _, run := range p.containers {
			if !run.init && run.id != "" {
				return corev1.PodRunning
			}
		}
		return corev1.PodPending
	}
	for _, run := range p.containers {
		if run.state.Terminated == nil || run.state.Terminated.ExitCode != 0 {
			return corev1.PodFailed
		}
	}
	return corev1.PodSucceeded
}

func truth(value bool) corev1.ConditionStatus {
	if value {
		return corev1.ConditionTrue
	}
	return corev1.ConditionFalse
}

func setCondition(status *corev1.PodStatus, condition corev1.PodCondition) {
	condition.LastTransitionTime = metav1.Now()
	for i := range status.Conditions {
		old := &status.Conditions[i]
		if old.Type != condition.Type {
			continue
		}
		if old.Status == condition.Status {
			condition.LastTransitionTime = old.LastTransitionTime
		}
		*old = condition
		return
	}
	status.Conditions = append(status.Conditions, condition)
}

// report brings each change to the API server, however long that takes, until the pod is gone.
func (p *podRun) report() {
	defer func() {
		os.RemoveAll(p.dir)
		p.node.forget(p)
	}()
	for range p.changed {
		for {
			done, err := p.reportOnce()
			if done {
				return
			}
			if err == nil {
				break
			}
			if !apierrors.IsConflict(err) {
				time.Sleep(500 * time.Millisecond)
			}
		}
	}
}

// reportOnce tells the status; done when there is nothing left to tell of this pod.
func (p *podRun) reportOnce() (done bool, err error) {
	p.mu.Lock()
	silent := p.silent
	p.mu.Unlock()
	if silent {
		return true, nil
	}
	if !p.node.online() {
		return false, fmt.Errorf("the node is cut off")
	}
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	pods := p.node.client.CoreV1().Pods(p.pod.Namespace)
	current, err := pods.Get(ctx, p.pod.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || err == nil && current.UID != p.pod.UID {
		p.stop(0)
		return p.hasEnded(), nil
	}
	if err != nil {
		return false, err
	}
	next := current.DeepCopy()
	p.fillStatus(&next.Status)
	next.Status.ObservedGeneration = current.Generation
	if _, err := pods.UpdateStatus(ctx, next, metav1.UpdateOptions{}); err != nil {
		return apierrors.IsNotFound(err) && p.hasEnded(), ignoreMissing(err)
	}
	p.mu.Lock()
	finish := p.ended && p.deleting
	p.mu.Unlock()
	if !finish {
		return false, nil
	}
	now := int64(0)
	err = pods.Delete(ctx, p.pod.Name, metav1.DeleteOptions{
		GracePeriodSeconds: &now, Preconditions: &metav1.Preconditions{UID: &p.pod.UID},
	})
	return ignoreMissing(err) == nil, ignoreMissing(err)
}

func (p *podRun) hasEnded() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}

func ignoreMissing(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
