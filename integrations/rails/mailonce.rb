# frozen_string_literal: true

# Puts the id of the running job on each mail that is sent in it, so that mailonce relays that mail once: for Active Job
# on any adapter, and for Sidekiq's own jobs. To install it, copy this file to config/initializers/mailonce.rb. Outside
# a job nothing is added.

require "active_job"
require "active_job/arguments"
require "active_support/core_ext/digest/uuid"
require "json"
require "mail"

module Mailonce
  # The gateway takes a mail's task from any of these, so a mail that has one is left as it is.
  TASK_FIELDS = %w[X-Task-Id Idempotency-Key Resend-Idempotency-Key X-EE-Idempotency-Key].freeze
  PART_FIELD = "X-Task-Part"

  # A random UUID, as of Active Job, or a jid of Sidekiq. An id of another form was chosen by somebody or computed, and may
  # have been used before, so a job that has one is no task.
  UNIQUE = /\A(\h{24}|\h{8}-\h{4}-[147]\h{3}-[89ab]\h{3}-\h{12})\z/i

  Running = Struct.new(:run, :thread, :open)
  private_constant :Running

  class << self
    # The run of the job that this thread is in, or nil. All fibers that the job makes are in it, and no other thread.
    def current
      running = storage
      running.run if running && running.open && running.thread.equal?(Thread.current)
    end

    # Yields in a run of the task, or in none where it is nil.
    def with_task(task, &work)
      within(task && Run.new(task), &work)
    end

    # The id of a job as a task; nil where it may have been used before.
    def unique(id)
      id if UNIQUE.match?(id.to_s)
    end

    # Wraps a block for another thread, which is then in this job: Thread.new(&Mailonce.carry { ... })
    def carry(&work)
      run = current
      ->(*arguments) { within(run) { work.call(*arguments) } }
    end

    # Gives a mail that is about to be delivered the task of the current run, and its part.
    def label(mail)
      unlabel(mail) # of an earlier delivery of the same object, which failed
      return if (run = current).nil? || TASK_FIELDS.any? { |name| mail.header[name] }

      own = mail.header[PART_FIELD]
      part = own ? own.to_s : mail.instance_variable_get(:@mailonce_part)
      return if part == false || !run.same_or_new?(mail, part)

      added = { TASK_FIELDS.first => current.task }
      added[PART_FIELD] = part if part && own.nil?
      added.each { |name, value| mail.header[name] = value }
      mail.instance_variable_set(:@mailonce_added, added)
    rescue StandardError, SystemStackError => error
      warn "mailonce: a mail has no task: #{error.class}: #{error.message}"
    end

    # After the delivery, since a copy that an observer keeps may be sent again, and is no repeat then.
    def unlabel(mail)
      return unless (added = mail.instance_variable_get(:@mailonce_added))

      added.each { |name, value| mail.header[name] = nil if mail.header[name].to_s == value }
      mail.remove_instance_variable(:@mailonce_added)
    end

    private

    def within(run)
      outer = storage
      self.storage = running = Running.new(run, Thread.current, true)
      yield
    ensure
      # A fiber or thread that outlives the job may still have it.
      running.open = false
      self.storage = outer
    end

    if Fiber.respond_to?(:[]) # Ruby 3.2: each fiber begins with what the one had that made it.
      def storage
        Fiber[:mailonce]
      end

      def storage=(running)
        Fiber[:mailonce] = running
      end
    else
      def storage
        Thread.current.thread_variable_get(:mailonce)
      end

      def storage=(running)
        Thread.current.thread_variable_set(:mailonce, running)
      end
    end
  end

  # One run of a job.
  class Run
    attr_reader :task

    def initialize(task)
      @task = task
      @children = Hash.new(0)
      @mails = {}
      @lock = Mutex.new
    end

    # Whether no other mail of this run went to one of the recipients with the same part, sender and subject. The gateway
    # would take the second for a repeat, so it goes out without a task. Like the gateway, it overlooks blanks and the
    # case of a domain.
    def same_or_new?(mail, part)
      leaves = mail.multipart? ? mail.all_parts.reject(&:multipart?) : [mail]
      content = Digest::SHA256.digest(JSON.generate(leaves.map { |one| [one.mime_type, one.filename, [one.decoded].pack("m0")] }))
      from, subject = [mail[:from], mail.subject].map { |field| field.to_s.split.join(" ") }
      keys = Array(mail.smtp_envelope_to).map { |recipient| [recipient.downcase, part, from, subject] }
      same = @lock.synchronize { keys.map { |key| (@mails[key] ||= content) == content }.all? }
      warn "mailonce: a second mail of #{task} under one subject has no task; give it X-Task-Part" unless same
      same
    end

    # The task of a job that this run starts, the same in each run of this task: from what the job is, which has to
    # include its arguments, and the count of equal ones before it.
    def child(*job)
      text = JSON.generate(job)
      count = @lock.synchronize { @children[Digest::SHA256.digest(text)] += 1 }
      Digest::UUID.uuid_v5(Digest::UUID::URL_NAMESPACE, "mailonce:#{task}/#{count}/#{text}")
    end
  end

  # The part: which mail of the task it is. It names the mailer and its action, and has a digest of the action's
  # arguments: two invoices to one person are two mails.
  module Part
    NAME_LENGTH = 200

    # False where it can't be told.
    def self.of(mailer, action, arguments, params)
      name = "#{mailer.name}##{action}"
      digest = Digest::SHA256.hexdigest(JSON.generate(plain([name, arguments, params]), max_nesting: 0))
      "#{name.gsub(/[^!-~]/, "?")[0, NAME_LENGTH]}-#{digest[0, 16]}"
    rescue StandardError, SystemStackError
      false
    end

    # As Active Job writes it, or where it can't, the name of the class: that is the same in each run.
    def self.plain(value)
      case value
      when Array then value.map { |one| plain(one) }
      when Hash then value.map { |key, one| [plain(key.to_s), plain(one)] }
      when String then Digest::SHA256.hexdigest(value)
      else JSON.generate(ActiveJob::Arguments.serialize([value]))
      end
    rescue StandardError
      value.class.name
    end
  end

  # Notes the part of each mail that is made in a job.
  module Mailer
    def process(action, *arguments)
      # Before the action, which may change them.
      part = Part.of(self.class, action, arguments, params) if Mailonce.current
      super.tap { message.instance_variable_set(:@mailonce_part, part) unless part.nil? }
    end
    ruby2_keywords(:process)
  end

  # After all interceptors, so that a signature does not cover the fields, and before all observers.
  module Message
    def inform_interceptors
      super
      Mailonce.label(self)
    end

    def inform_observers
      Mailonce.unlabel(self)
      super
    end
  end

  # A job's task is its job_id. Where another job started it, it follows from that job's task, and is in the job's data
  # beside the job_id that it is for, so that a copy of the data with a new job_id is a new task.
  module Job
    KEY = "mailonce"

    def self.prepended(base)
      base.around_perform :mailonce_run, prepend: true
    end

    def enqueue(options = {})
      mailonce_enqueue
      super
    end

    def retry_job(*)
      @mailonce_retried = true
      super
    ensure
      @mailonce_retried = false
    end

    # Mail of an error handler is about this attempt. In a job of perform_now it would be of the job around it.
    def rescue_with_handler(*)
      Mailonce.with_task(nil) { super }
    end

    # Before the job is written into a queue. A job that is retried because it failed keeps its task; one that enqueues
    # itself again, say for the next day, has other mail to send.
    def mailonce_enqueue
      goes_on = @mailonce_retried && mailonce_failed?
      @mailonce_queued_task = goes_on || @mailonce_taken ? @mailonce_task : mailonce_new_task
    end

    def serialize
      task = @mailonce_queued_task || @mailonce_task
      task.nil? || task == job_id ? super : super.merge(KEY => { job_id => task })
    end

    def deserialize(data)
      super
      @mailonce_task = data.dig(KEY, job_id) || Mailonce.unique(job_id)
      @mailonce_taken = true # from a queue
    end

    private

    def mailonce_run(&perform)
      # A job of perform_now comes from no queue. Within a job it is one that the job starts.
      @mailonce_task = mailonce_new_task unless @mailonce_taken
      @mailonce_taken = false
      @mailonce_error = $!
      logger&.info("The mail of this job has the task #{@mailonce_task}") unless [nil, job_id].include?(@mailonce_task)
      Mailonce.with_task(@mailonce_task, &perform)
    end

    def mailonce_new_task
      if (run = Mailonce.current) then run.child(self.class.name, ActiveJob::Arguments.serialize(arguments))
      elsif @mailonce_task || @mailonce_queued_task then SecureRandom.uuid
      else Mailonce.unique(job_id)
      end
    rescue StandardError, SystemStackError
      # perform_now takes any argument. What can't be written down can't be told apart.
      SecureRandom.uuid
    end

    # Whether an error of this job's run is on its way, or is being handled.
    def mailonce_failed?
      @mailonce_task && $! && !$!.equal?(@mailonce_error)
    end
  end

  module PerformAllLater
    def perform_all_later(*jobs)
      jobs.flatten.each(&:mailonce_enqueue)
      super
    end
  end

  # The same for Sidekiq's own jobs with their jid. What is "wrapped" is Active Job's, and has its task inside.
  class SidekiqServer
    def call(_worker, payload, _queue, &perform)
      return yield if payload["wrapped"]

      jid = payload["jid"]
      task = payload.dig(Job::KEY, jid) || Mailonce.unique(jid)
      Sidekiq.logger.info("The mail of this job has the task #{task}") unless [nil, jid].include?(task)
      Mailonce.with_task(task, &perform)
    end
  end

  class SidekiqClient
    def call(_worker, payload, _queue, _pool)
      run = Mailonce.current
      jid = payload["jid"]
      # A job that is pushed again keeps its task.
      unless run.nil? || payload["wrapped"] || payload.dig(Job::KEY, jid) || jid == run.task
        payload[Job::KEY] = { jid => run.child(payload["class"].to_s, payload["args"]) }
      end
      yield
    end
  end
end

Mail::Message.prepend(Mailonce::Message)

ActiveSupport.on_load(:action_mailer) { prepend Mailonce::Mailer }

ActiveSupport.on_load(:active_job) do
  prepend Mailonce::Job
  ActiveJob.singleton_class.prepend(Mailonce::PerformAllLater) if ActiveJob.respond_to?(:perform_all_later)
end

if defined?(Sidekiq)
  Sidekiq.configure_client { |config| config.client_middleware { |chain| chain.add Mailonce::SidekiqClient } }
  Sidekiq.configure_server do |config|
    config.client_middleware { |chain| chain.add Mailonce::SidekiqClient }
    config.server_middleware { |chain| chain.add Mailonce::SidekiqServer }
  end
end
