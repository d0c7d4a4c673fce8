export function WelcomeRoom() {
  return null;
}
