'use strict';

// The landing page posts its URL to the window that opened it, only at the listed origins.
const landing = document.querySelector('[data-origins]');
if (landing) {
  const callback = {callbackUri: window.location.href};
  if (window.opener) {
    for (const origin of JSON.parse(landing.dataset.origins)) {
      window.opener.postMessage(callback, origin);
    }
    window.setTimeout(() => window.close(), 1000);
  } else {
    // An extension reads the address of the window that it opened, and closes it. Give it time.
    window.setTimeout(() => {
      document.querySelector('h1').textContent = 'This sign-in cannot be completed here';
      document.getElementById('status').hidden = true;
      document.getElementById('alone').hidden = false;
    }, 2000);
  }
}

// The address of a result contains an authorization code. Remove it from the history. A reload then shows a success again, and
// starts again after a failure.
const clean = document.querySelector('[data-clean]');
if (clean) {
  window.history.replaceState(null, '', clean.dataset.clean);
}

// A script can close only windows that a script opened.
const close = document.querySelector('[data-close]');
if (close && (window.opener || window.history.length === 1)) {
  close.hidden = false;
  close.addEventListener('click', () => window.close());
}

// Buttons that show a password.
for (const button of document.querySelectorAll('[data-reveals]')) {
  const field = document.getElementById(button.dataset.reveals);
  button.hidden = false;
  button.addEventListener('click', () => {
    const shown = field.type === 'text';
    field.type = shown ? 'password' : 'text';
    button.setAttribute('aria-pressed', String(!shown));
  });
}

// Copy buttons. Where the browser refuses to copy, the text is selected.
for (const button of document.querySelectorAll('[data-copies]')) {
  const field = document.getElementById(button.dataset.copies);
  button.hidden = false;
  button.addEventListener('click', async () => {
    field.select();
    let said = 'Copied';
    try {
      await navigator.clipboard.writeText(field.value);
    } catch {
      said = 'Selected';
    }
    button.textContent = said;
    document.getElementById(field.id + '-copied').textContent = said;
  });
}

// A form is submitted once. It can be submitted again after the person comes back to the page.
for (const form of document.querySelectorAll('[data-once]')) {
  form.addEventListener('submit', (event) => {
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = 'yes';
    (event.submitter || form.querySelector('[type=submit]')).setAttribute('aria-disabled', 'true');
  });
  window.addEventListener('pageshow', () => {
    delete form.dataset.sent;
    for (const button of form.querySelectorAll('[type=submit]')) {
      button.removeAttribute('aria-disabled');
    }
  });
}
