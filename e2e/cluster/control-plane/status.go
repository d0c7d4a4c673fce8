// A pod's status as the API shows it, worked out from what its containers do.
package main

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
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
