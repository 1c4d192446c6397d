/* Browser side of dltk_runtime.lab.extension. JupyterLab loads this file as it is; there is no build step.
 *
 * A prebuilt extension is a container of webpack's module federation: JupyterLab calls `init` with its
 * shared modules, then `get('./extension')` for the plugins.
 */
(() => {
  let shared;

  /** Load a module that JupyterLab shares, in JupyterLab's own version. */
  const load = async name => (await Object.values(shared[name])[0].get())();

  const plugin = {
    id: 'dltk-runtime:plugin',
    autoStart: true,
    description: 'Reviews saved notebooks as algorithms, and creates notebooks from templates.'
  };

  const makePlugin = async () => {
    const [notebook, launcher, apputils, services, coreutils] = await Promise.all(
      ['@jupyterlab/notebook', '@jupyterlab/launcher', '@jupyterlab/apputils', '@jupyterlab/services', '@jupyterlab/coreutils'].map(load)
    );
    const { Dialog, InputDialog, Notification, showDialog } = apputils;
    const settings = services.ServerConnection.makeSettings();

    /** Send a request below /dltk and return the JSON of the answer. */
    const ask = async (path, init = {}) => {
      const url = coreutils.URLExt.join(settings.baseUrl, 'dltk', path);
      const response = await services.ServerConnection.makeRequest(url, init, settings);
      const answer = await response.json();
      if (!response.ok) {
        throw new Error(answer.message || response.statusText);
      }
      return answer;
    };

    const shown = new Map(); // path -> notification of the last save

    /** Show the review of a saved notebook. */
    const showReview = async path => {
      const review = await ask(`review?path=${encodeURIComponent(path)}`);
      Notification.dismiss(shown.get(path));
      shown.delete(path);
      if (!review.algorithm) {
        return; // not an algorithm
      }
      const [type, autoClose] = review.problems.length ? ['error', false] : review.hints.length ? ['warning', 15000] : ['success', 3000];
      const all = () => showDialog({ title: path, body: review.text, buttons: [Dialog.okButton()] });
      const actions = type === 'success' ? [] : [{ label: 'Show all', callback: all }];
      shown.set(path, Notification.emit(review.brief, type, { autoClose, actions }));
    };

    plugin.requires = [notebook.INotebookTracker];
    plugin.optional = [launcher.ILauncher];
    plugin.activate = async (app, tracker, menu) => {
      tracker.widgetAdded.connect((_, panel) => {
        panel.context.saveState.connect((context, state) => {
          if (state === 'completed') {
            showReview(context.path).catch(error => console.error('dltk-runtime:', error));
          }
        });
      });
      app.commands.addCommand('dltk:new', {
        label: args => `Algorithm (${args.template})`,
        caption: 'A notebook that works with fit and apply in Splunk',
        execute: async args => {
          const { value } = await InputDialog.getText({ title: 'Name of the algorithm', placeholder: 'my_algorithm' });
          if (!value) {
            return;
          }
          try {
            const made = await ask('new', { method: 'POST', body: JSON.stringify({ name: value, template: args.template }) });
            await app.commands.execute('docmanager:open', { path: made.path });
          } catch (error) {
            Notification.error(error.message);
          }
        }
      });
      if (menu) {
        const { templates } = await ask('templates');
        templates.forEach((template, rank) => menu.add({ command: 'dltk:new', category: 'Notebook', rank: 10 + rank, args: { template } }));
      }
    };
    return { __esModule: true, default: plugin };
  };

  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB['dltk-runtime'] = {
    init: scope => {
      shared = scope;
    },
    get: async () => {
      const module = await makePlugin();
      return () => module;
    }
  };
})();
